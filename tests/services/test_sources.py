"""Addresses that will never be fetched are refused when they are given: by an order and by a change."""

from __future__ import annotations

import httpx
import pytest

from backend.config import Settings
from tests.services.conftest import Ask, refused
from tests.support.people import Person

REFUSED = {
    "other schemes": [
        *(
            "file:///etc/passwd",
            "file://localhost/etc/passwd",
            "/etc/passwd",
            "../repo",
            "ftp://git.example.com/a",
        ),
        *("git://git.example.com/a.git", "git+ssh://git.example.com/a.git", "ssh://git.example.com"),
        *("git@git.example.com:", "git@git.example.com:-a.git", "git@git.example.com:a.git#x"),
        *(
            "ext::sh -c id",
            "javascript:alert(1)",
            "data:text/plain,x",
            "HTTPS",
            "https:",
            "https://",
            "//a.example/b",
        ),
    ],
    "loopback": [
        *(
            "http://127.0.0.1/a.git",
            "http://127.0.0.1:5432/a.git",
            "http://127.255.255.254/a",
            "http://localhost/a",
        ),
        *(
            "http://LOCALHOST/a",
            "http://localhost./a",
            "http://a.localhost/a",
            "http://[::1]/a",
            "http://[::]/a",
        ),
        *("http://0.0.0.0/a", "http://0/a", "http://ip6-localhost/a"),
    ],
    "other spellings of it": [
        *("http://2130706433/a", "http://0x7f000001/a", "http://0x7f.0.0.1/a", "http://0177.0.0.1/a"),
        *("http://127.1/a", "http://127.0.1/a", "http://017700000001/a", "http://[::ffff:127.0.0.1]/a"),
        *("http://[::ffff:7f00:1]/a", "http://[0:0:0:0:0:ffff:127.0.0.1]/a", "http://[::127.0.0.1]/a"),
        *(
            "http://[64:ff9b::7f00:1]/a",
            "http://[2002:7f00:1::]/a",
            "http://①②⑦.0.0.1/a",
            "http://127。0。0。1/a",
        ),
    ],
    "private and link-local": [
        *("http://10.0.0.1/a", "http://10.255.255.255/a", "http://172.16.0.1/a", "http://172.31.255.255/a"),
        *("http://192.168.0.1/a", "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/a"),
        *("http://[fc00::1]/a", "http://[fd12:3456::1]/a", "http://[fe80::1]/a", "http://[fe80::1%25eth0]/a"),
        *("http://0x0a000001/a", "http://3232235777/a", "http://[::ffff:10.0.0.1]/a", "http://[fec0::1]/a"),
    ],
    "no place for a repository": [
        *("http://224.0.0.1/a", "http://255.255.255.255/a", "http://240.0.0.1/a", "http://192.0.2.1/a"),
        *("http://198.18.0.1/a", "http://[ff02::1]/a", "http://[2001:db8::1]/a", "http://postgres/a"),
        *("http://db.internal/a", "http://printer.local/a", "http://metadata.google.internal/a"),
    ],
    "tricks": [
        *(
            "http://user:password@git.example.com/a",
            "http://git.example.com@127.0.0.1/a",
            "http://@127.0.0.1/a",
        ),
        *(
            "http://git.example.com:99999/a",
            "http://git.example.com:x/a",
            "http://git.example.com\\@127.0.0.1/a",
        ),
        *(
            "http://git.example.com/a?x=1",
            "http://git.example.com/a#x",
            "http://git.example.com /a",
            "http://a b/c",
        ),
        *(
            "http://[::1/a",
            "http://exa mple.com/",
            "http://git..example.com/a",
            "http://" + "a" * 300 + ".com/x",
        ),
        *("http://git.example.com/\u2028", "http://git.example.com/a\u00a0b", "http://.example.com/a"),
    ],
}
ALL = [(kind, url) for kind, urls in REFUSED.items() for url in urls]


@pytest.mark.parametrize(("kind", "url"), ALL, ids=[f"{kind}-{url!a}" for kind, url in ALL])
async def test_refused_at_once(order: Ask, counted, kind: str, url: str) -> None:  # type: ignore[no-untyped-def]
    answer = await order(source={"repo_url": url})
    refused(answer, "source_forbidden", "body", "source", "repo_url")
    assert "password" not in answer.json()["detail"] or "password" not in url or "user" not in answer.text
    assert await counted() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("git@git.example.com:--upload-pack=x", "address_ssh"),
        ("git.example.com:me/app.git", "address_scheme"),
        ("ssh://-oProxyCommand=x@git.example.com/me/app.git", "address_ssh"),
        ("ssh://git:word@git.example.com/me/app.git", "address_credentials"),
        ("git@127.0.0.1:me/app.git", "address_internal"),
        ("ftp://git.example.com/a", "address_scheme"),
        ("https://me:word@git.example.com/a", "address_credentials"),
        ("https://git.example.com/a?x=1", "address_query"),
        ("https://git.example.com/a b", "address_signs"),
        ("http://127.0.0.1/a", "address_internal"),
    ],
)
async def test_the_field_is_told_what_is_wrong(order: Ask, url: str, code: str) -> None:
    answer = await order(source={"repo_url": url})
    refused(answer, "source_forbidden", "body", "source", "repo_url")
    assert answer.json()["errors"][0]["code"] == code


@pytest.mark.parametrize(
    "url", ["http://git.example.com/a\x00b", "http://git.example.com/\r\nX: y", "x" * 2001, ""]
)
async def test_refused_by_the_schema(order: Ask, url: str) -> None:
    refused(await order(source={"repo_url": url}), "invalid", "body", "source", "repo_url")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://git.example.com/me/app.git",
            "https://git.example.com:8443/me/app",
            "http://93.184.216.34/a.git",
        ),
        *("https://bücher.example.com/a.git", "https://[2606:2800:220:1:248:1893:25c8:1946]/a.git"),
        *("https://git.example.com/a%20b.git", "https://GIT.Example.com/~me/app"),
    ],
)
async def test_public_ones_are_accepted(order: Ask, url: str) -> None:
    assert (await order(source={"repo_url": url})).status_code == 202


async def test_a_change_is_held_to_the_same(client: httpx.AsyncClient, ada: Person, order: Ask) -> None:
    service = (await order()).json()["service"]
    path = f"/api/v1/services/{service['id']}"
    for url in ("http://127.0.0.1/a", "file:///etc/passwd", "http://[::1]/a", "http://169.254.169.254/"):
        answer = await client.patch(path, json={"source": {"repo_url": url}}, headers=ada.headers)
        refused(answer, "source_forbidden", "body", "source", "repo_url")
    assert (await client.get(path, headers=ada.headers)).json()["source"] == service["source"]


class TestOpened:
    """What the operator lists for development is fetched from, and nothing beside it."""

    @pytest.fixture
    def settings(self, settings_of) -> Settings:  # type: ignore[no-untyped-def]
        return settings_of(git_allowed_private="git.lan:3000,127.0.0.1:4000,10.1.0.0/16")

    @pytest.mark.parametrize("url", ["http://git.lan:3000/a", "http://127.0.0.1:4000/a", "http://10.1.2.3/a"])
    async def test_listed(self, order: Ask, url: str) -> None:
        assert (await order(source={"repo_url": url})).status_code == 202

    @pytest.mark.parametrize(
        "url",
        [
            "http://git.lan/a",
            "http://git.lan:3001/a",
            "http://127.0.0.1:4001/a",
            "http://10.2.0.1/a",
            "http://[::1]:4000/a",
        ],
    )
    async def test_not_listed(self, order: Ask, url: str) -> None:
        refused(await order(source={"repo_url": url}), "source_forbidden")
