"""Debian's `pebble` as the authority, and `pebble-challtestsrv` as everybody's DNS."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.mail.certificates import Certificates, issue
from tests.support.ports import edge_port

MISSING = [name for name in ("pebble", "pebble-challtestsrv") if shutil.which(name) is None]
SKIP = (
    f"{' and '.join(MISSING)} not installed (Debian's package pebble): no authority to ask" if MISSING else ""
)


@dataclass
class Dns:
    """The zone of the whole world; what it was not told of is at 127.0.0.1."""

    port: int
    management: int
    texts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def address_of(self, host: str, *addresses: str) -> None:
        self._tell("add-a", host=f"{host}.", addresses=list(addresses))

    def alias(self, host: str, target: str) -> None:
        self._tell("set-cname", host=f"{host}.", target=f"{target}.")

    def text(self, host: str, value: str) -> None:
        self._tell("set-txt", host=f"{host}.", value=value)
        self.texts.setdefault(host, []).append(value)

    def clear_text(self, host: str) -> None:
        self._tell("clear-txt", host=f"{host}.")
        self.texts.pop(host, None)

    def fail(self, host: str) -> None:
        self._tell("set-servfail", host=f"{host}.")

    def _tell(self, what: str, **about: object) -> None:
        url = f"http://127.0.0.1:{self.management}/{what}"
        httpx.post(url, json=about, trust_env=False).raise_for_status()


@dataclass
class Authority:
    directory: str
    certificates: Certificates
    management: int

    def chain_of_root(self) -> str:
        return self._managed("roots/0").text

    def status_of(self, serial: str) -> str:
        return str(self._managed(f"cert-status-by-serial/{serial}").json()["Status"])

    def _managed(self, path: str) -> httpx.Response:
        trust = ssl.create_default_context(cafile=str(self.certificates.authority))
        return httpx.get(f"https://127.0.0.1:{self.management}/{path}", verify=trust, trust_env=False)


@contextmanager
def run_dns() -> Iterator[Dns]:
    dns = Dns(edge_port(), edge_port())
    command = [
        *("pebble-challtestsrv", "-dns01", dns.address, "-management", f"127.0.0.1:{dns.management}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
    ]
    with _running(command, dns.management):
        yield dns


@contextmanager
def run_authority(
    folder: Path, dns: Dns, http_port: int, *, bad_nonces: int = 5, **changes: str
) -> Iterator[Authority]:
    certificates = issue(folder)
    port, management = edge_port(), edge_port()
    configuration = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificates.chain),
        "privateKey": str(certificates.chain),
        "httpPort": http_port,
        "tlsPort": 1,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    path = folder / "pebble.json"
    path.write_text(json.dumps({"pebble": configuration}))
    # Percent of good nonces that are refused; its own default is 5.
    changes = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(bad_nonces), **changes}
    command = ["pebble", "-config", str(path), "-dnsserver", dns.address]
    with _running(command, port, **changes):
        yield Authority(f"https://127.0.0.1:{port}/dir", certificates, management)


@contextmanager
def _running(command: list[str], port: int, **changes: str) -> Iterator[None]:
    with ExitStack() as stack:
        process = subprocess.Popen(
            command, env={**os.environ, **changes}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(process.wait, 60)
        stack.callback(process.kill)
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, command
            assert time.monotonic() < deadline, command
            time.sleep(0.02)
        yield


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
