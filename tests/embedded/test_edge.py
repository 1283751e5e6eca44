"""The repository's nginx.conf under a real nginx, as a browser, a customer's visitor and the API see it."""

from __future__ import annotations

import gzip
import json
import re
import socket

import pytest

from embedded import edge
from embedded.settings import has_ipv6_loopback
from tests.embedded.conftest import ROOT, RunningEdge, Upstream, until


@pytest.fixture
def routed(running_edge: RunningEdge) -> RunningEdge:
    """`app.localhost` answers, `dead.localhost` has a route to a closed port."""
    running_edge.route(
        f"app.localhost 127.0.0.1:{running_edge.upstream_port};\ndead.localhost 127.0.0.1:9;\n"
    )
    # For a moment after a reload the old worker answers, too.
    until(lambda: all(running_edge.client.status("/", host="app.localhost") == 200 for _ in range(20)))
    return running_edge


def test_renderer_fills_declared_names_only() -> None:
    template = 'pid "${EDGE_PID_FILE}"; return 200 "$request_id ${request_id} ${OTHER}";'
    names = dict.fromkeys(edge.NAMES, "x") | {"OTHER": "no"}
    assert edge.render(template, names) == 'pid "x"; return 200 "$request_id ${request_id} ${OTHER}";'


def test_every_upper_case_name_of_the_template_is_declared() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)\}", (ROOT / "nginx.conf").read_text()))
    assert used == set(edge.NAMES)


def test_pages_fall_back_to_the_shell_and_missing_files_do_not(running_edge: RunningEdge) -> None:
    for page in ("/", "/services", "/services/0195-abc", "/login"):
        status, text = running_edge.text(page)
        assert (status, "shell" in text) == (200, True), page
    for missing in ("/js/gone.js", "/style/gone.css", "/partials/gone.html", "/locales/xx.json", "/.env"):
        assert running_edge.client.status(missing) == 404, missing


def test_what_browsers_and_robots_ask_for_by_themselves(running_edge: RunningEdge) -> None:
    status, icon, headers = running_edge.client.ask("GET", "/favicon.ico", raw=True)
    assert (status, headers["content-type"], icon[:4]) == (200, "image/x-icon", b"\0\0\1\0")
    assert running_edge.text("/robots.txt") == (200, "User-agent: *\nDisallow: /\n")


def test_nginx_has_nothing_to_warn_of(running_edge: RunningEdge) -> None:
    assert "[warn]" not in (running_edge.layout.log / "edge.log").read_text()


def test_a_large_body_reaches_an_app(routed: RunningEdge) -> None:
    """More than nginx keeps in memory: its workers, whoever they run as, must be able to write it down."""
    answer = routed.client.ask("POST", "/length", host="app.localhost", body="x" * (20 * 2**20), raw=True)
    assert answer[:2] == (200, str(20 * 2**20 + 2).encode())


def test_panel_headers(running_edge: RunningEdge) -> None:
    for path in ("/", "/js/main.js", "/js/gone.js", "/api/v1/health"):
        headers = running_edge.get(path)[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "permissions-policy" in headers
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
        assert headers["server"] == "nginx"
    docs = running_edge.get("/api/docs")[2]["content-security-policy"]
    assert "style-src 'self' 'unsafe-inline'" in docs
    assert "script-src 'self';" in docs


def test_unchanged_files_are_not_sent_again(running_edge: RunningEdge) -> None:
    status, _, headers = running_edge.get("/js/main.js", **{"Accept-Encoding": "gzip"})
    assert (status, headers["cache-control"], headers["content-encoding"]) == (200, "no-cache", "gzip")
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    again = running_edge.client.ask(
        "GET", "/js/main.js", headers={"If-None-Match": headers["etag"], "Accept-Encoding": "gzip"}, raw=True
    )
    assert (again[0], again[1]) == (304, b"")
    file = running_edge.frontend / "js" / "main.js"
    file.write_text("export const answer = 43;\n")
    changed = running_edge.client.ask(
        "GET", "/js/main.js", headers={"If-None-Match": headers["etag"]}, raw=True
    )
    assert (changed[0], changed[1]) == (200, b"export const answer = 43;\n")


def test_compression(running_edge: RunningEdge) -> None:
    _, content, headers = running_edge.client.ask("GET", "/", headers={"Accept-Encoding": "gzip"}, raw=True)
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(content).decode() == (running_edge.frontend / "index.html").read_text()


def test_the_api_learns_the_true_client(running_edge: RunningEdge) -> None:
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "X-Request-ID": "mine",
    }
    _, text = running_edge.text("/api/v1/health", **lies, **{"X-Forwarded-Proto": "https"})
    assert "6.6.6.6" not in text
    assert "x-request-id: mine" not in text
    assert "x-forwarded-for: 127.0.0.1" in text
    assert "x-forwarded-proto: http\n" in text
    assert re.search(r"x-request-id: [0-9a-f]{32}", text)
    assert f"host: localhost:{running_edge.client.port}" in text


@pytest.mark.parametrize("path", ["/api/v1/jobs/1/events", "/api/v1/deployments/1/log/stream"])
def test_event_streams_arrive_as_they_are_written(running_edge: RunningEdge, path: str) -> None:
    assert_streams(running_edge, path, "localhost")


def test_streams_of_customers_apps_too(routed: RunningEdge) -> None:
    assert_streams(routed, "/stream", "app.localhost")


def assert_streams(running: RunningEdge, path: str, host: str) -> None:
    Upstream.seen.clear()
    with socket.create_connection(("127.0.0.1", running.client.port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        received = b""
        # The second is not written before the first was read here.
        for mark in (b"data: 0", b"data: 2"):
            while mark not in received:
                received += (piece := connection.recv(4096))
                assert piece, received
            Upstream.seen.set()


@pytest.mark.parametrize(("host", "path"), [("app.localhost", "/socket"), ("localhost", "/api/socket")])
def test_websocket_upgrade(routed: RunningEdge, host: str, path: str) -> None:
    with socket.create_connection(("127.0.0.1", routed.client.port), timeout=30) as connection:
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n\r\n".encode())
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101")
        assert b"upgrade: websocket" in answer.lower()
        connection.sendall(b"hello\n")
        assert connection.recv(4096) == b"echo hello\n"


def test_customers_hosts(routed: RunningEdge) -> None:
    status, text = routed.text("/path?q=1", host="app.localhost")
    assert status == 200
    assert text.startswith("GET /path?q=1\n")
    assert f"host: app.localhost:{routed.client.port}" in text
    headers = routed.get("/", host="app.localhost")[2]
    assert "content-security-policy" not in headers
    assert "cache-control" not in headers
    assert headers["content-type"] == "text/plain"
    assert routed.text("/404", host="app.localhost")[1].startswith("GET /404")
    assert routed.text("/502", host="app.localhost")[0] == 502
    assert routed.client.status("/api/v1/health", host="app.localhost") == 200


def test_hosts_without_a_running_service(routed: RunningEdge) -> None:
    for method in ("GET", "POST"):
        status, text = routed.text("/", host="nobody.localhost", method=method)
        assert status == 404
        assert "No service here" in text
        status, text = routed.text("/", host="dead.localhost", method=method)
        assert status == 503
        assert "Not answering" in text
    assert routed.get("/", host="dead.localhost")[2]["cache-control"] == "no-store"
    assert "shell" not in routed.text("/", host="panel.attacker.example")[1]


def test_an_empty_map_is_fine_and_reload_is_safe(routed: RunningEdge) -> None:
    routed.route("")
    until(lambda: routed.client.status("/", host="app.localhost") == 404)
    assert routed.client.status("/") == 200


def test_what_is_too_large_is_a_problem_document(running_edge: RunningEdge) -> None:
    status, said, headers = running_edge.client.ask("POST", "/api/v1/orders", body="x" * (2 * 2**20))
    assert (status, said["code"]) == (413, "content_too_large")
    assert headers["content-type"] == "application/problem+json"
    assert said["request_id"]


def test_examples_are_read_only(running_edge: RunningEdge) -> None:
    repository = running_edge.layout.examples / "x.git"
    repository.mkdir(exist_ok=True)
    (repository / "HEAD").write_text("ref: refs/heads/main\n")
    assert running_edge.text("/examples/x.git/HEAD") == (200, "ref: refs/heads/main\n")
    assert running_edge.client.status("/examples/") in (403, 404)
    assert running_edge.client.ask("POST", "/examples/x.git/HEAD")[0] == 405


def test_log_is_json_without_queries(running_edge: RunningEdge) -> None:
    running_edge.get("/oauth/authorize?code=s3cret", Authorization="Bearer s3cret")
    log = running_edge.layout.log / "edge.log"
    until(lambda: "/oauth/authorize" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert next(line for line in lines if line["path"] == "/oauth/authorize")["status"] == 200
    assert "s3cret" not in log.read_text()


def test_log_without_the_address_of_a_deploy_hook(running_edge: RunningEdge) -> None:
    """It is a secret as a whole, however it is spelled and whatever goes wrong."""
    log = running_edge.layout.log / "edge.log"
    spellings = (
        "/api/v1/deploy-hooks/s3cret",
        "/api/v1/deploy%2Dhooks/s3cret?x=1",
        "/api//v1/./deploy-hooks/s3cret",
    )
    for path in spellings:
        running_edge.client.ask("POST", path)
    running_edge.client.ask("POST", spellings[0], body="x" * (2 * 2**20))
    until(lambda: log.read_text().count('"path":"/api/v1/deploy-hooks/-"') == 4)
    assert "s3cret" not in log.read_text()


@pytest.mark.skipif(not has_ipv6_loopback(), reason="no IPv6 here")
def test_listens_on_ipv6_loopback(running_edge: RunningEdge) -> None:
    with socket.create_connection(("::1", running_edge.client.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: [::1]\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
