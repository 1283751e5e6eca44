"""Signatures against the examples that the forges publish, and everything that is nearly one."""

from __future__ import annotations

import base64
import time

import pytest

from backend.hooks.forges import Forge, complaint, new_secret, recognised
from tests.hooks import senders

WORD = "It's a Secret to Everybody"
GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""docs.github.com, "Validating webhook deliveries": of WORD and `Hello, World!`."""
BITBUCKET = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
"""support.atlassian.com, "Manage webhooks": of WORD and `Hello World!`."""


def test_the_documented_examples() -> None:
    assert complaint(Forge.GITHUB, {"x-hub-signature-256": GITHUB}, b"Hello, World!", WORD) is None
    assert complaint(Forge.BITBUCKET, {"x-hub-signature": BITBUCKET}, b"Hello World!", WORD) is None
    bare = GITHUB.removeprefix("sha256=")
    assert complaint(Forge.GITEA, {"x-gitea-signature": bare}, b"Hello, World!", WORD) is None
    assert complaint(Forge.GITLAB, {"x-gitlab-token": WORD}, b"anything", WORD) is None


def test_the_documented_example_of_standard_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """github.com/standard-webhooks: the one that every library of theirs is tested with."""
    monkeypatch.setattr(time, "time", lambda: 1614265330.0)
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert complaint(Forge.GITLAB, headers, b'{"test": 2432232314}', secret) is None
    assert complaint(Forge.GITLAB, headers, b'{"test": 2432232315}', secret) == "signature_wrong"
    # While a key is replaced there are two.
    headers["webhook-signature"] = "v1,AAAA v2,BBBB " + headers["webhook-signature"]
    assert complaint(Forge.GITLAB, headers, b'{"test": 2432232314}', secret) is None
    for moment in ("1614264000", "1614266000", "", "x", "-1", "9" * 400, "١٦١٤٢٦٥٣٣٠"):
        wrong = headers | {"webhook-timestamp": moment}
        assert complaint(Forge.GITLAB, wrong, b'{"test": 2432232314}', secret) == "signature_old"


def test_a_signed_delivery_of_gitlab_is_not_believed_for_its_token() -> None:
    secret = new_secret()
    headers = {name.lower(): value for name, value in senders.from_gitlab(secret, b"{}")[0].items()}
    assert complaint(Forge.GITLAB, headers, b"{}", secret) is None
    old = senders.standard(secret, b"{}", "an id", moment=1)
    assert complaint(Forge.GITLAB, headers | old, b"{}", secret) == "signature_old"


@pytest.mark.parametrize("forge", list(Forge))
@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            "sha256=",
            "sha256",
            GITHUB[:-1],
            GITHUB + "0",
            GITHUB.upper(),
            "sha1=" + GITHUB[7:],
            " " + GITHUB,
        ),
        *("\udcff", "é" * 64, "0" * 64, "x" * 10_000, BITBUCKET),
    ],
)
def test_what_is_nearly_a_signature(forge: Forge, given: str) -> None:
    names = ("x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-gitlab-token")
    headers = dict.fromkeys(names, given)
    said = complaint(forge, headers, b"Hello, World!", WORD)
    assert said in ("signature_missing", "signature_wrong")
    assert complaint(forge, {}, b"Hello, World!", WORD) == "signature_missing"


def test_a_secret_fits_all_of_them() -> None:
    secret = new_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_secret()
    body = senders.github()
    for send, forge in (
        (senders.from_github, Forge.GITHUB),
        (senders.from_gitea, Forge.GITEA),
        (senders.from_gitlab, Forge.GITLAB),
        (lambda *what: senders.from_gitlab(*what, signed=True), Forge.GITLAB),
        (senders.from_bitbucket, Forge.BITBUCKET),
    ):
        given, content = send(secret, body)
        headers = {name.lower(): value for name, value in given.items()}
        call = recognised(headers)
        assert call is not None
        assert call.forge is forge
        assert complaint(forge, headers, content, secret) is None
        assert complaint(forge, headers, content, new_secret()) == "signature_wrong"
        if forge is not Forge.GITLAB or "webhook-id" in headers:
            assert complaint(forge, headers, content + b" ", secret) == "signature_wrong"


class TestRecognised:
    def test_nobody(self) -> None:
        assert recognised({}) is None
        assert recognised({"x-hub-signature-256": GITHUB}) is None
        assert recognised({"x-github-event": ""}) is None

    def test_forgejo_is_a_gitea(self) -> None:
        call = recognised({"x-forgejo-event": "push", "x-forgejo-delivery": "1", "x-github-event": "push"})
        assert call is not None
        assert (call.forge, call.event, call.delivery_id) == (Forge.GITEA, "push", "gitea:1")

    def test_headers_are_kept_short_and_plain(self) -> None:
        call = recognised({"x-github-event": "\x00push\x1b\udcff", "x-github-delivery": "x" * 500})
        assert call is not None
        assert call.event == "push"
        assert call.delivery_id is not None
        assert len(call.delivery_id) < 100
        other = recognised({"x-github-event": "push", "x-github-delivery": "x" * 501})
        assert other is not None
        assert other.delivery_id != call.delivery_id
