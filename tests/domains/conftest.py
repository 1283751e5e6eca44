"""An installation whose edge speaks TLS, DNS of the whole world, and an authority."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from backend.config import Settings
from backend.database import Database
from tests.domains.authority import SKIP, Authority, Dns, run_authority, run_dns
from tests.domains.quay import Quay
from tests.embedded.conftest import RunningEdge, run_edge
from tests.support.people import Person, UserFactory
from tests.support.ports import edge_port


@pytest.fixture(scope="session")
def tls_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    port = edge_port()
    changes = {"EDGE_TLS_ADDRESS": f"127.0.0.1:{port}", "DOMAINS_HTTPS_PORT": str(port)}
    with run_edge(tmp_path_factory.mktemp("edge"), **changes) as running:
        yield running


@pytest.fixture(scope="session")
def dns() -> Iterator[Dns]:
    if SKIP:
        pytest.skip(SKIP)
    with run_dns() as running:
        yield running


@pytest.fixture(scope="session")
def authority(
    tmp_path_factory: pytest.TempPathFactory, dns: Dns, tls_edge: RunningEdge
) -> Iterator[Authority]:
    http_port = int(tls_edge.env["EDGE_PORT"])
    with run_authority(tmp_path_factory.mktemp("authority"), dns, http_port) as running:
        yield running


@pytest.fixture
def settings_here(
    settings_of: Callable[..., Settings], tls_edge: RunningEdge, dns: Dns
) -> Callable[..., Settings]:
    """Of an installation without an authority, with changes."""
    routes = Path(tls_edge.env["EDGE_ROUTES_FILE"])
    port = tls_edge.env["EDGE_PORT"]

    def make(**changes: object) -> Settings:
        values: dict[str, object] = {
            "panel_url": "http://panel.example.net:8080",
            "apps_url": "http://{name}.apps.example.net:8080",
            "edge_address": f"127.0.0.1:{port}",
            "edge_routes_file": routes,
            "edge_pid_file": tls_edge.env["EDGE_PID_FILE"],
            "domains_http_port": int(port),
            "domains_https_port": int(tls_edge.env["DOMAINS_HTTPS_PORT"]),
            "domains_resolver": dns.address,
            "edge_public_addresses": "127.0.0.1",
            "dns_propagation_seconds": 5,
        }
        return settings_of(**{**values, **changes})

    return make


@pytest.fixture
def settings(settings_here: Callable[..., Settings], authority: Authority, tls_edge: RunningEdge) -> Settings:
    return settings_here(
        edge_tls_address=tls_edge.env["EDGE_TLS_ADDRESS"],
        acme_directory=authority.directory,
        acme_email="operator@example.net",
        acme_terms_agreed=True,
        acme_ca_bundle=authority.certificates.authority,
    )


@pytest.fixture
async def make_quay(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    tls_edge: RunningEdge,
    dns: Dns,
    user_factory: UserFactory,
) -> AsyncIterator[Callable[[], Awaitable[Quay]]]:
    """`quay = await make_quay()`: somebody new with a service that serves."""

    async def make(person: Person | None = None) -> Quay:
        made = Quay(client, database, settings, tls_edge, dns, person or await user_factory())
        made.upstream = f"127.0.0.1:{tls_edge.upstream_port}"
        await made.order()
        return made

    yield make
    settings.edge_domains_file.write_text("")
    tls_edge.route("")


@pytest.fixture
async def quay(make_quay: Callable[[], Awaitable[Quay]]) -> Quay:
    return await make_quay()
