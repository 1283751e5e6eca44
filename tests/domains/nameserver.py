"""A primary name server that takes updates (RFC 2136), and a provider with Cloudflare's API; both write to
the one DNS that the authority asks."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring

from tests.domains.authority import Dns

KEY_NAME, SECRET = "gavan", "c2VjcmV0IG9mIHR3ZW50eS1mb3VyIGJ5dGVz"


@dataclass
class Primary:
    zone: str
    world: Dns
    port: int = 0
    heard: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes) -> bytes:
        keyring = dns.tsigkeyring.from_text({KEY_NAME: ("hmac-sha256", SECRET)})
        try:
            asked = dns.message.from_wire(wire, keyring=keyring)
        except (dns.tsig.BadSignature, dns.message.UnknownTSIGKey):
            refused = dns.message.make_response(dns.message.from_wire(wire, keyring=False))
            refused.set_rcode(dns.rcode.NOTAUTH)
            return refused.to_wire()
        said = dns.message.make_response(asked)
        if asked.opcode() == dns.opcode.UPDATE:
            self._apply(asked)
        else:
            said.flags |= dns.flags.AA
            text = f"ns1.{self.zone}. hostmaster.{self.zone}. 1 3600 600 86400 60"
            said.authority.append(dns.rrset.from_text(f"{self.zone}.", 60, "IN", "SOA", text))
        return said.to_wire()

    def _apply(self, update: dns.message.Message) -> None:
        for rrset in update.sections[2]:
            name = rrset.name.to_text(omit_final_dot=True)
            deleting = rrset.deleting == dns.rdataclass.NONE
            for record in rrset:
                value = b"".join(record.strings).decode()
                self.heard.append(f"{'delete' if deleting else 'add'} {name}")
                if deleting:
                    self.world.clear_text(name)
                else:
                    self.world.text(name, value)


@contextmanager
def run_primary(zone: str, world: Dns) -> Iterator[Primary]:
    primary = Primary(zone, world)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while length := self.rfile.read(2):
                wire = self.rfile.read(struct.unpack("!H", length)[0])
                said = primary.answer(wire)
                self.wfile.write(struct.pack("!H", len(said)) + said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        primary.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield primary
        server.shutdown()


@dataclass
class Provider:
    zone: str
    token: str
    world: Dns
    url: str = ""
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, token: str, body: Any) -> tuple[int, dict[str, Any]]:
        """As https://developers.cloudflare.com/api/ describes it."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.heard.append(f"{method} {path}")
        if token != f"Bearer {self.token}":
            errors = [{"code": 9109, "message": "Invalid access token"}]
            return 403, {"success": False, "errors": errors, "messages": [], "result": None}
        result: Any = []
        if path.endswith("/zones"):
            result = [{"id": "z1", "name": self.zone}] if query["name"] == [self.zone] else []
        elif method == "GET":
            result = [one for one in self.records.values() if [one["name"]] == query["name"]]
        elif method == "POST":
            result = {**body, "id": f"r{len(self.heard)}"}
            self.records[result["id"]] = result
            self.world.text(body["name"], body["content"].strip('"'))
        elif method == "DELETE":
            gone = self.records.pop(path.rpartition("/")[2])
            self.world.clear_text(gone["name"])
            result = {"id": gone["id"]}
        return 200, {"success": True, "errors": [], "messages": [], "result": result}


@contextmanager
def run_provider(zone: str, token: str, world: Dns) -> Iterator[Provider]:
    provider = Provider(zone, token, world)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "")
            body = json.loads(given) if given else None
            status, said = provider.answer(self.command, self.path, token, body)
            raw = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_address[1]}/client/v4"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()
