"""A customer with a service that answers, a real edge, and the jobs run here, one after another."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from cryptography import x509
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from backend.domains.kinds import DomainJobs
from backend.jobs import runner
from backend.services.routing import Edge
from tests.api.operations import order_body
from tests.domains.authority import Dns
from tests.embedded.conftest import RunningEdge
from tests.support.people import Person

LEASE = timedelta(seconds=15)


@dataclass
class Quay:
    client: httpx.AsyncClient
    database: Database
    settings: Settings
    edge: RunningEdge
    dns: Dns
    person: Person
    service_id: str = ""
    service: str = ""
    upstream: str = field(default="")

    # Asking -------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {**self.person.headers, **headers}
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=sent)

    async def order(self) -> None:
        """A service that serves, by decree."""
        answer = await self.ask("POST", "/orders", order_body())
        assert answer.status_code == 202, answer.text
        self.service_id = answer.json()["service_id"]
        await self.execute(
            "UPDATE deployments SET state = 'live', address = CAST(:address AS text),"
            " addresses = jsonb_build_array(CAST(:address AS text)) WHERE id = :id",
            address=self.upstream,
            id=answer.json()["deployment_id"],
        )
        await self.execute(
            "UPDATE services SET status = 'running', live_deployment_id = :id, routed_deployment_id = :id"
            " WHERE id = :service",
            id=answer.json()["deployment_id"],
            service=self.service_id,
        )
        await self.execute("UPDATE jobs SET state = 'succeeded' WHERE service_id = :id", id=self.service_id)
        self.service = (await self.ask("GET", f"/services/{self.service_id}")).json()["name"]

    async def add(self, name: str) -> dict[str, Any]:
        answer = await self.ask("POST", f"/services/{self.service_id}/domains", {"name": name})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def domain(self, domain_id: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"/domains/{domain_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def prove(self, domain: dict[str, Any]) -> None:
        self.dns.text(domain["record"]["name"], domain["record"]["value"])

    async def check(self, domain: dict[str, Any]) -> dict[str, Any]:
        """Asked for and done; the job."""
        answer = await self.ask("POST", f"/domains/{domain['id']}/checks")
        assert answer.status_code == 202, answer.text
        return await self.run(answer.json()["job_id"])

    async def secured(self, name: str) -> dict[str, Any]:
        """A domain with a certificate."""
        domain = await self.add(name)
        self.prove(domain)
        job = await self.check(domain)
        assert job["state"] == "succeeded", job
        shown = await self.domain(domain["id"])
        assert shown["state"] == "secured", shown
        return shown

    # Working ------------------------------------------------------------------------------------

    async def run(self, job_id: str) -> dict[str, Any]:
        edge = Edge(self.settings, self.database)
        kinds = DomainJobs(self.settings, self.database, edge).kinds()
        await runner.run(UUID(job_id), self.database, kinds, LEASE)
        answer = await self.ask("GET", f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def run_open(self) -> list[dict[str, Any]]:
        """All jobs about domains that wait."""
        rows = await self.rows(
            "SELECT id FROM jobs WHERE state = 'queued' AND kind LIKE 'domain.%' ORDER BY id"
        )
        return [await self.run(str(row.id)) for row in rows]

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as session:
            return list((await session.execute(text(statement), values)).all())

    # Visiting -----------------------------------------------------------------------------------

    @property
    def tls_port(self) -> int:
        return self.settings.domains_https_port

    async def visit(self, host: str, path: str = "/") -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            return await http.get(
                f"http://127.0.0.1:{self.settings.domains_http_port}{path}", headers={"Host": host}
            )

    def certificate(self, name: str | None) -> x509.Certificate:
        """What the edge shows to somebody who writes this into the handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.tls_port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
            assert shown
            return x509.load_der_x509_certificate(shown)

    def ask_securely(self, host: str, path: str = "/", *, verify: str | None = None) -> tuple[int, str, str]:
        """Status, headers in small letters, body."""
        context = ssl.create_default_context(cadata=verify)
        if verify is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.tls_port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            said = b"".join(iter(lambda: secure.recv(65536), b""))
        head, _, body = said.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode().lower(), body.decode(errors="replace")


def names_of(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
