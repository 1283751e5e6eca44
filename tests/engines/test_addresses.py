"""Which addresses sources may be fetched from, however they are written or resolved."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from backend.engines import addresses
from backend.engines.addresses import Allowed, check_url, connect, is_public, parse_remote, resolve
from backend.engines.base import EngineError, Retry

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "2002:0a00:1::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
    ],
)
def test_internal_addresses(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_public_addresses(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///path",
        "example.org/app.git",
        "//example.org/app.git",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ssh://git@127.0.0.1/app.git",
        "ssh://git:word@example.org/app.git",
        "ssh://example.org",
        "ssh://-oProxyCommand=x@example.org/a",
        "git@10.0.0.1:app.git",
        "git@[::1]:app.git",
        "git@example.org:-app.git",
        "git@example.org:",
        "git@example.org:app.git?x",
        "git@metadata.google.internal:app.git",
        "git://example.org/app.git",
        "ext::sh -c id",
        "ftp://example.org/app.git",
        "https://user:password@example.org/app.git",
        "https://token@example.org/app.git",
        "https://@example.org/app.git",
        "https://example.org/app.git?x=1",
        "https://example.org/app.git#main",
        "https://example.org/a b.git",
        "https://example.org/a\r\nHost: evil",
        "https://example.org\\@127.0.0.1/",
        "https://example.org:99999/app.git",
        "https://example.org:x/app.git",
        "https://exa mple.org/",
        "https://-example.org/",
        "https://exam..ple.org/",
        "https://example.org/" + "a" * 2000,
        "http://localhost/app.git",
        "http://LOCALHOST./app.git",
        "http://app.localhost/app.git",
        "http://postgres/app.git",
        "http://db.internal/app.git",
        "http://printer.local/app.git",
        "http://127.0.0.1/app.git",
        "http://127.1/app.git",
        "http://0x7f000001/app.git",
        "http://2130706433/app.git",
        "http://0177.0.0.1/app.git",
        "http://0/app.git",
        "http://[::1]/app.git",
        "http://[::ffff:127.0.0.1]/app.git",
        "http://[fe80::1%25eth0]/app.git",
        "http://１２７.0.0.1/app.git",
        "http://127。0。0。1/app.git",
        "http://ⓛocalhost/app.git",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.1.2.3:8080/app.git",
    ],
)
def test_refused_at_once(url: str) -> None:
    with pytest.raises(EngineError) as caught:
        check_url(url)
    assert caught.value.code == "source_forbidden"
    assert caught.value.retry is Retry.NEVER


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/app.git",
        "http://example.org:8080/~user/app",
        "https://пример.рф/приложение.git",
        f"http://{PUBLIC}/app.git",
        "https://[2606:4700::1111]/app.git",
        "git@example.org:me/app.git",
        "deploy@[2606:4700::1111]:app.git",
        "ssh://git@example.org:2222/me/app.git",
        "ssh://пример.рф/~me/приложение.git",
    ],
)
def test_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "origin", "plain"),
    [
        ("https://Example.org/a.git", "https://example.org:443", "https://example.org/a.git"),
        ("http://example.org:8080/a", "http://example.org:8080", "http://example.org:8080/a"),
        ("git@example.org:a.git", "ssh://example.org:22", "git@example.org:a.git"),
        ("git@example.org:/a.git", "ssh://example.org:22", "ssh://git@example.org/a.git"),
        ("ssh://example.org/a", "ssh://example.org:22", "ssh://git@example.org/a"),
        ("SSH://git@example.org:2222/a", "ssh://example.org:2222", "ssh://git@example.org:2222/a"),
        ("git@[2606:4700::1111]:a", "ssh://[2606:4700::1111]:22", "git@[2606:4700::1111]:a"),
    ],
)
def test_taken_apart(url: str, origin: str, plain: str) -> None:
    remote = parse_remote(url)
    assert (remote.origin, remote.url) == (origin, plain)
    assert parse_remote(plain) == remote


def test_what_the_operator_allows() -> None:
    allowed = Allowed.parse(
        ["localhost:8080", "127.0.0.1:8081", "[::1]:8082", "10.0.0.0/8", "git.internal:443"]
    )
    for url in (
        "http://localhost:8080/x.git",
        "http://127.0.0.1:8081/x.git",
        "http://[::1]:8082/x.git",
        "http://10.20.30.40:999/x.git",
        "https://git.internal/x.git",
    ):
        check_url(url, allowed)
    for url in ("http://localhost:8081/x.git", "http://127.0.0.1:8080/x.git", "http://git.internal/x.git"):
        with pytest.raises(EngineError):
            check_url(url, allowed)
    assert resolve("localhost", 8080, allowed, lambda *_: ["::1", "127.0.0.1"]) == ["::1", "127.0.0.1"]
    with pytest.raises(EngineError):
        resolve("elsewhere.org", 8080, allowed, lambda *_: ["127.0.0.1"])
    for entry in ("localhost", "host:port", "http://localhost:8080", "10.0.0.0/99"):
        with pytest.raises(ValueError, match="host:port"):
            Allowed.parse([entry])


def test_one_bad_address_among_good_ones_refuses_all() -> None:
    with pytest.raises(EngineError) as caught:
        resolve("example.org", 443, Allowed(), lambda *_: [PUBLIC, "10.0.0.1"])
    assert caught.value.code == "source_forbidden"


def test_connects_to_the_address_that_was_vetted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind (DNS rebinding) is refused the second time; the first one is final."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    reached = []

    def create(address: tuple[str, int], timeout: float) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", create)
    resolver = lambda *_: next(answers)  # noqa: E731
    with pytest.raises(EngineError) as first:
        connect("rebinding.org", 443, 1, Allowed(), resolver)
    assert first.value.code == "source_unreachable"
    assert first.value.retry is Retry.BACKOFF
    with pytest.raises(EngineError) as second:
        connect("rebinding.org", 443, 1, Allowed(), resolver)
    assert second.value.code == "source_forbidden"
    assert reached == [(PUBLIC, 443)]


def test_names_that_do_not_resolve() -> None:
    def fail(number: int) -> addresses.Resolver:
        def resolver(host: str, port: int) -> list[str]:
            raise socket.gaierror(number, "no")

        return resolver

    with pytest.raises(EngineError) as gone:
        resolve("gone.org", 443, Allowed(), fail(socket.EAI_NONAME))
    assert (gone.value.code, gone.value.retry) == ("source_unreachable", Retry.NEVER)
    with pytest.raises(EngineError) as busy:
        resolve("busy.org", 443, Allowed(), fail(socket.EAI_AGAIN))
    assert busy.value.retry is Retry.BACKOFF


def test_our_own_public_address_is_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_is_our_own", lambda address: str(address) == PUBLIC)
    with pytest.raises(EngineError):
        resolve("me.org", 443, Allowed(), lambda *_: [PUBLIC])
