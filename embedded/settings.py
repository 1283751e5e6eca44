"""The `.env` of the checkout: secrets are generated into it once, addresses and paths follow the machine."""

from __future__ import annotations

import base64
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from embedded.layout import Layout

DEFAULT_PORT = 8080
PORTS_TO_TRY = 200
HEADER = (
    "# Written by `make up`: this installation's secrets and addresses; .env.example has every setting.\n"
)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _password() -> str:
    return secrets.token_urlsafe(18)


GENERATED: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": _key,
    "ENGINE_SECRET": _key,
    "POSTGRES_PASSWORD": _password,
    "DEMO_PASSWORD": _password,
}
FIXED = {
    "ENVIRONMENT": "development",
    "ENGINE": "process",
    "LOG_FORMAT": "pretty",
    "LOG_LEVEL": "INFO",
    "EDGE_BIND": "127.0.0.1",
    "ADMIN_EMAIL": "admin@example.com",
    "DEMO_EMAIL": "demo@example.com",
}


def read(path: Path) -> dict[str, str]:
    """`NAME=value` lines; blank lines, comments and one pair of quotes around a value are taken off."""
    values = {}
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            values[name.removeprefix("export ").strip()] = value
    return values


def write(path: Path, changed: Mapping[str, str]) -> None:
    """Set `changed` in the file, readable by its owner only; every other line, also comments, stays."""
    lines = path.read_text().splitlines() if path.exists() else [HEADER]
    left = dict(changed)
    for index, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if name in left:
            lines[index] = f"{name}={left.pop(name)}"
    lines += [f"{name}={value}" for name, value in left.items()]
    draft = path.with_name(path.name + ".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    draft.replace(path)


def derived(layout: Layout, port: int, password: str) -> dict[str, str]:
    """What follows from where the checkout lies and from the port of its edge."""
    return {
        "GAVAN_STATE": str(layout.home),
        "EDGE_PORT": str(port),
        "PANEL_URL": f"http://localhost:{port}",
        "APPS_URL": f"http://{{name}}.localhost:{port}",
        "EDGE_ADDRESS": f"127.0.0.1:{port}",
        "DOMAINS_HTTP_PORT": str(port),
        # The bundled examples are fetched from the panel's own edge.
        "GIT_ALLOWED_PRIVATE": f"localhost:{port},127.0.0.1:{port}",
        "DATABASE_URL": f"postgresql://gavan:{password}@/gavan?host={quote(str(layout.run))}",
        "REDIS_URL": f"unix://{quote(str(layout.redis_socket))}?db=0",
        "API_BIND": f"unix:{layout.api_socket}",
        "DATA_DIR": str(layout.home / "data"),
        "ENGINE_HOME": str(layout.engine),
        "ENGINE_SOCKET": str(layout.engine_socket),
        "EDGE_ROUTES_FILE": str(layout.edge / "routes.map"),
        "EDGE_PID_FILE": str(layout.run / "edge.nginx.pid"),
    }


def prepare(layout: Layout, *, port: int | None = None) -> dict[str, str]:
    """Complete `.env` and return it. What is there stays; a value that this function derived earlier follows
    when the checkout was moved or copied, or when `port` says another one."""
    present = read(layout.env_file)
    values = {name: make() for name, make in GENERATED.items() if name not in present}
    values |= {name: value for name, value in FIXED.items() if name not in present}
    password = (present | values)["POSTGRES_PASSWORD"]
    old_port = int(present.get("EDGE_PORT", DEFAULT_PORT))
    old_home = present.get("GAVAN_STATE")
    before = derived(Layout(layout.root, Path(old_home)), old_port, password) if old_home else {}
    for name, value in derived(layout, port or old_port, password).items():
        if name not in present or (present[name] == before.get(name) and present[name] != value):
            values[name] = value
    if values:
        write(layout.env_file, values)
    return present | values


def free_port(bind: str, wanted: int) -> int:
    """`wanted` when it is free, else the next free one above it."""
    for port in range(wanted, min(wanted + PORTS_TO_TRY, 65536)):
        if all(_is_free(address, port) for address in {bind, "127.0.0.1", "::1"}):
            return port
    raise OSError(f"no free port from {wanted} on")


def has_ipv6_loopback() -> bool:
    return _can_bind("::1", 0)


def _is_free(address: str, port: int) -> bool:
    if ":" in address and not has_ipv6_loopback():
        return True
    return _can_bind(address, port)


def _can_bind(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
