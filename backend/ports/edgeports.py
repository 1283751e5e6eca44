"""The edge's configuration of public ports: a `stream` block of nginx, or nothing where none is open."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from loguru import logger

from backend.config import Settings
from backend.ports.binding import is_free

CONNECTIONS = 256
"""At once to one port, so that no customer's port uses up those that the edge has for all."""
_HEAD = """stream {{
    # As the http part writes it; one line a connection, when it is over.
    log_format traffic '$msec 00000000000000000000000000000000 $bytes_sent $bytes_received $service';
    access_log "{log}" traffic;
    limit_conn_zone $server_port zone=public_ports:1m;
    limit_conn public_ports {connections};
    proxy_connect_timeout 5s;
    proxy_timeout 1h;
    proxy_socket_keepalive on;
    map $server_port $service {{
        default "-";
{names}
    }}
"""
_LISTENING = re.compile(r"^    server \{ listen \S+:([0-9]+) ", re.MULTILINE)


def render(
    settings: Settings, opened: Mapping[int, str], routes: Mapping[str, Sequence[str]], present: str
) -> str:
    """`opened` has the service by port, `present` is what the edge was told last.

    nginx takes a new configuration whole or not at all: one port that somebody else has would keep every
    route of every customer as it was. Such a port is left out until it is free.
    """
    ours = {int(port) for port in _LISTENING.findall(present)} if _is_up(settings) else set()
    servers, names = [], []
    for port, name in sorted(opened.items()):
        addresses = routes.get(name, ())
        if not addresses:
            continue
        if port not in ours and not is_free(settings.public_listen, port):
            logger.error("public port {} of {} is closed: something else listens there", port, name)
            continue
        listen = settings.public_listen
        at = f"[{listen}]:{port}" if ":" in listen else f"{listen}:{port}"
        units = " ".join(f"server {address} max_fails=1 fail_timeout=5s;" for address in addresses)
        names.append(f"        {port} {urlsplit(settings.app_url(name)).hostname};")
        servers.append(f"    upstream port-{port} {{ {units} }}")
        servers.append(f"    server {{ listen {at} so_keepalive=on; proxy_pass port-{port}; }}")
    if not servers:
        return ""
    head = _HEAD.format(log=settings.edge_traffic_log, connections=CONNECTIONS, names="\n".join(names))
    return head + "\n".join(servers) + "\n}\n"


def _is_up(settings: Settings) -> bool:
    try:
        os.kill(int(settings.edge_pid_file.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True
