"""Whose address counts when proxies stand in front of the edge: nobody can give themselves another."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from backend.oauth.caller import client_address
from embedded import edge
from embedded.console import Failure
from embedded.settings import has_ipv6_loopback
from tests.embedded.conftest import RunningEdge, run_edge, until

OUTER, INNER, STRANGER = "127.0.0.12", "127.0.0.11", "127.0.0.99"
VISITOR = "203.0.113.7"
LIE = "6.6.6.6"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """Behind two proxies, and with https."""
    root = tmp_path_factory.mktemp("proxied")
    changes = {"TRUSTED_PROXIES": f"{OUTER}, {INNER}/32, ::1", "PANEL_URL": "https://localhost:8443"}
    with run_edge(root, **changes) as running:
        yield running


def asked(running: RunningEdge, *forwarded: str, peer: str, path: str = "/api/v1/health") -> dict[str, str]:
    """What the API is sent when `peer` asks with these lines of X-Forwarded-For."""
    host = "::1" if ":" in peer else "127.0.0.1"
    connection = http.client.HTTPConnection(
        host, int(running.env["EDGE_PORT"]), timeout=10, source_address=(peer, 0)
    )
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", "localhost")
    for line in forwarded:
        connection.putheader("X-Forwarded-For", line)
    for name in ("X-Real-IP", "Forwarded"):
        connection.putheader(name, LIE)
    connection.endheaders()
    lines = connection.getresponse().read().decode().splitlines()[1:]
    connection.close()
    return dict(line.split(": ", 1) for line in lines)


def seen_by_the_api(headers: dict[str, str]) -> str:
    """As the API reads it: its peer is the edge, on a unix socket."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return client_address(Request({"type": "http", "headers": raw, "client": None}), ())


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (INNER, [f"{VISITOR}, {OUTER}"], VISITOR),
        (INNER, [VISITOR, OUTER], VISITOR),
        (INNER, [f"{LIE}, {VISITOR}, {OUTER}"], VISITOR),
        (INNER, [LIE, f"{VISITOR}, {OUTER}"], VISITOR),
        (INNER, [f"{LIE}, {OUTER}, {VISITOR}, {OUTER}"], VISITOR),
        (INNER, [f"2001:db8::7, {OUTER}"], "2001:db8::7"),
        (INNER, [f"{LIE}, 2001:db8::7"], "2001:db8::7"),
        # Not one of ours wrote these.
        (STRANGER, [f"{LIE}, {OUTER}"], STRANGER),
        (STRANGER, [f"{INNER}, {OUTER}"], STRANGER),
        (STRANGER, [], STRANGER),
        # Nonsense is no address: what stands right of it counts.
        (INNER, ["nonsense"], INNER),
        (INNER, [f"{LIE}, nonsense, {OUTER}"], OUTER),
        (INNER, [f"{LIE}, , {VISITOR}"], VISITOR),
        (INNER, [], INNER),
    ],
)
def test_through_two_proxies(proxied: RunningEdge, peer: str, forwarded: list[str], address: str) -> None:
    headers = asked(proxied, *forwarded, peer=peer)
    assert seen_by_the_api(headers) == address
    assert LIE not in headers.values()
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == address


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
def test_by_ipv6(proxied: RunningEdge, running_edge: RunningEdge) -> None:
    assert seen_by_the_api(asked(proxied, f"{LIE}, 2001:db8::7, {OUTER}", peer="::1")) == "2001:db8::7"
    assert seen_by_the_api(asked(running_edge, f"{LIE}, 2001:db8::7", peer="::1")) == "::1"


def test_the_edges_own_log_has_it_too(proxied: RunningEdge) -> None:
    asked(proxied, f"{LIE}, {VISITOR}, {OUTER}", peer=INNER, path="/api/v1/for-the-log")
    log = proxied.layout.log / "edge.log"
    # Written after the answer was sent.
    until(lambda: "/api/v1/for-the-log" in log.read_text())
    (line,) = [line for line in log.read_text().splitlines() if "/api/v1/for-the-log" in line]
    assert json.loads(line)["remote"] == VISITOR


def test_without_proxies_nothing_is_believed(running_edge: RunningEdge) -> None:
    headers = asked(running_edge, f"{LIE}, {VISITOR}", peer=STRANGER)
    assert seen_by_the_api(headers) == STRANGER
    assert LIE not in headers.values()


def test_https_is_for_good(proxied: RunningEdge) -> None:
    for path in ("/", "/js/main.js", "/js/gone.js", "/api/v1/health", "/oauth/token"):
        headers = proxied.get(path)[2]
        assert headers["strict-transport-security"] == "max-age=31536000", path


@pytest.mark.parametrize("wrong", ["nonsense", "10.0.0.0/8; deny all", "10.0.0.0/99", "*"])
def test_only_networks_get_into_the_configuration(wrong: str) -> None:
    with pytest.raises(Failure, match=re.escape(wrong)):
        edge.trusted(wrong)
