"""Certificates of wildcards: the challenge over DNS, by both adapters."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from backend.config import Settings
from backend.domains.adapters.base import DnsError
from backend.domains.adapters.rfc2136 import Rfc2136
from backend.engines.addresses import Allowed
from tests.domains.authority import Authority, Dns
from tests.domains.nameserver import KEY_NAME, SECRET, Primary, Provider, run_primary, run_provider
from tests.domains.quay import Quay, names_of
from tests.embedded.conftest import RunningEdge

TOKEN = "a-token-that-may-edit-the-zone"


@pytest.fixture(scope="module")
def zone() -> str:
    return f"{secrets.token_hex(5)}.example.org"


@pytest.fixture(scope="module")
def primary(zone: str, dns: Dns) -> Iterator[Primary]:
    with run_primary(zone, dns) as running:
        yield running


@pytest.fixture(scope="module")
def provider(zone: str, dns: Dns) -> Iterator[Provider]:
    with run_provider(zone, TOKEN, dns) as running:
        yield running


@pytest.fixture
def settings(
    settings_here: Callable[..., Settings],
    authority: Authority,
    tls_edge: RunningEdge,
    primary: Primary,
    provider: Provider,
) -> Settings:
    return settings_here(
        edge_tls_address=tls_edge.env["EDGE_TLS_ADDRESS"],
        acme_directory=authority.directory,
        acme_email="operator@example.net",
        acme_terms_agreed=True,
        acme_ca_bundle=authority.certificates.authority,
        domains_allowed_private=primary.address,
        cloudflare_api_url=provider.url,
    )


async def _proved(quay: Quay, name: str, **given: Any) -> dict[str, Any]:
    domain = await quay.add(name)
    quay.prove(domain)
    if given:
        answer = await quay.ask("PUT", f"/domains/{domain['id']}/dns-provider", given)
        assert answer.status_code == 200, answer.text
        assert given.get("key", given.get("token")) not in answer.text
    await quay.check(domain)
    quay.dns.clear_text(domain["record"]["name"])
    return await quay.domain(domain["id"])


def _rfc2136(primary: Primary, key: str = SECRET) -> dict[str, str]:
    return {"provider": "rfc2136", "server": primary.address, "key_name": KEY_NAME, "key": key}


async def test_by_a_name_server_with_updates(quay: Quay, primary: Primary, zone: str, dns: Dns) -> None:
    shown = await _proved(quay, f"*.{zone}", **_rfc2136(primary))
    assert shown["state"] == "secured", shown
    assert names_of(quay.certificate(f"anything.{zone}")) == [f"*.{zone}"]
    assert names_of(quay.certificate(zone)) == []
    assert primary.heard[-2:] == [f"add _acme-challenge.{zone}", f"delete _acme-challenge.{zone}"]
    assert dns.texts.get(f"_acme-challenge.{zone}") is None


async def test_by_cloudflare(quay: Quay, provider: Provider, zone: str) -> None:
    shown = await _proved(quay, f"*.harbour.{zone}", provider="cloudflare", token=TOKEN)
    assert shown["state"] == "secured", shown
    assert names_of(quay.certificate(f"x.harbour.{zone}")) == [f"*.harbour.{zone}"]
    assert provider.records == {}
    assert "POST /client/v4/zones/z1/dns_records" in provider.heard


async def test_without_a_provider_it_is_said_that_one_is_needed(quay: Quay, zone: str) -> None:
    shown = await _proved(quay, f"*.none.{zone}")
    assert (shown["state"], shown["problem"]["code"]) == ("failing", "needs_provider")
    assert (await quay.visit(f"a.none.{zone}")).status_code == 200


@pytest.mark.parametrize("kind", ["rfc2136", "cloudflare"])
async def test_wrong_credentials_are_explained(quay: Quay, primary: Primary, zone: str, kind: str) -> None:
    wrong = {
        "rfc2136": _rfc2136(primary, "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc="),
        "cloudflare": {"provider": "cloudflare", "token": "not this one"},
    }[kind]
    shown = await _proved(quay, f"*.{kind}.{zone}", **wrong)
    assert (shown["state"], shown["problem"]["code"]) == ("failing", "dns_not_admitted")


async def test_a_zone_of_somebody_else_is_explained(quay: Quay) -> None:
    name = f"*.{secrets.token_hex(5)}.example.org"
    shown = await _proved(quay, name, provider="cloudflare", token=TOKEN)
    assert shown["problem"]["code"] == "dns_no_zone"


@pytest.mark.parametrize(
    "server", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "[::1]:53", "localhost", "0x7f000001"]
)
async def test_a_customers_name_server_is_no_way_inside(server: str) -> None:
    settings = {"server": server, "key_name": KEY_NAME, "algorithm": "hmac-sha256"}
    with pytest.raises(DnsError) as caught:
        await Rfc2136(settings, SECRET, Allowed()).present("_acme-challenge.example.org", "x")
    assert caught.value.code == "dns_server_internal"


async def test_credentials_are_sealed_for_their_domain(
    make_quay: Callable[[], Awaitable[Quay]], zone: str
) -> None:
    quay = await make_quay()
    domain = await quay.add(f"*.sealed.{zone}")
    await quay.ask("PUT", f"/domains/{domain['id']}/dns-provider", {"provider": "cloudflare", "token": TOKEN})
    row = (await quay.rows("SELECT provider_secret, provider_settings FROM domains"))[0]
    assert row.provider_secret.startswith("v1.")
    assert TOKEN not in f"{row.provider_secret}{row.provider_settings}"
    trail = await quay.rows("SELECT after::text AS after FROM audit_events WHERE action = 'domain.dns_set'")
    assert TOKEN not in trail[0].after
    assert (await quay.ask("DELETE", f"/domains/{domain['id']}/dns-provider")).status_code == 204
    assert (await quay.domain(domain["id"]))["provider"] is None
