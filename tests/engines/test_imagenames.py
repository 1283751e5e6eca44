"""Names of images, by the distribution project's own rules."""

from __future__ import annotations

import pytest

from backend.engines.addresses import Allowed
from backend.engines.base import EngineError
from backend.engines.imagenames import check, parse

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "host", "repository", "reference", "familiar"),
    [
        ("python", "docker.io", "library/python", "latest", "python"),
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim", "python:3.12-slim"),
        ("docker.io/python", "docker.io", "library/python", "latest", "python"),
        ("index.docker.io/me/app", "docker.io", "me/app", "latest", "me/app"),
        ("registry-1.docker.io/me/app:1", "docker.io", "me/app", "1", "me/app:1"),
        ("library/python", "docker.io", "library/python", "latest", "python"),
        ("ghcr.io/me/app:v1", "ghcr.io", "me/app", "v1", "ghcr.io/me/app:v1"),
        ("GHCR.io/me/app", "ghcr.io", "me/app", "latest", "ghcr.io/me/app"),
        ("host.example:5000/a/b/c", "host.example:5000", "a/b/c", "latest", "host.example:5000/a/b/c"),
        ("host.example:443/a", "host.example", "a", "latest", "host.example/a"),
        ("localhost/a", "localhost", "a", "latest", "localhost/a"),
        ("[2001:db8::1]:5000/a", "[2001:db8::1]:5000", "a", "latest", "[2001:db8::1]:5000/a"),
        (f"ghcr.io/me/app@{DIGEST}", "ghcr.io", "me/app", DIGEST, f"ghcr.io/me/app@{DIGEST}"),
        (f"app:1@{DIGEST}", "docker.io", "library/app", DIGEST, f"app:1@{DIGEST}"),
        ("a__b/c-d--e.f", "docker.io", "a__b/c-d--e.f", "latest", "a__b/c-d--e.f"),
    ],
)
def test_what_a_name_means(text: str, host: str, repository: str, reference: str, familiar: str) -> None:
    name = parse(text)
    assert (name.host, name.repository, name.reference) == (host, repository, reference)
    assert name.familiar == familiar
    assert parse(name.familiar).repository == repository


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "image_signs"),
        (" app", "image_signs"),
        ("app\n", "image_signs"),
        ("äpp", "image_signs"),
        ("a" * 501, "image_signs"),
        ("a" * 256, "image_length"),
        ("https://ghcr.io/me/app", "image_scheme"),
        ("App", "image_name"),
        ("Team/a", "image_name"),
        ("ghcr.io/Me/app", "image_name"),
        ("ghcr.io//app", "image_name"),
        ("ghcr.io/", "image_name"),
        ("../app", "image_host"),
        ("me/../app", "image_name"),
        ("-app", "image_name"),
        ("a___b", "image_name"),
        ("app:", "image_tag"),
        ("app:-x", "image_tag"),
        ("app:" + "x" * 129, "image_tag"),
        ("app@sha256:12", "image_digest"),
        ("app@md5:" + "a" * 64, "image_digest"),
        ("app@" + DIGEST.upper(), "image_digest"),
        ("a1" * 32, "image_id"),
        ("ghcr.io:99999/a", "image_host"),
        ("ghcr.io:0/a", "image_host"),
        ("-x.example/a", "image_host"),
        ("user@ghcr.io/app", "image_digest"),
    ],
)
def test_what_is_no_name(text: str, detail: str) -> None:
    with pytest.raises(EngineError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.parameters["detail"]) == ("source_forbidden", detail)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1:5000/a", "localhost/a", "localhost:5000/a", "10.0.0.1/a", "169.254.169.254/a"),
        *("0x7f000001.x:1/a", "[::1]:5000/a", "printer.local/a", "2130706433:80/a"),
    ],
)
def test_our_own_network_is_no_registry(text: str) -> None:
    if text.startswith("0x7f"):
        assert check(text, Allowed()).repository == "a"
        return
    with pytest.raises(EngineError) as caught:
        check(text, Allowed())
    assert caught.value.parameters["detail"] == "address_internal"


def test_unless_the_operator_opened_it() -> None:
    assert check("127.0.0.1:5000/a", Allowed.parse(["127.0.0.1:5000"])).host == "127.0.0.1:5000"
