"""Whose a domain is: proofs, disputes, hostile names, and DNS that says something else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from backend.config import Settings
from backend.domains import claiming, upkeep
from backend.domains.checking import where
from backend.domains.dao import DomainDAO
from backend.domains.models import Domain, Look
from backend.domains.resolving import Addresses, Outcome
from tests.domains.authority import Dns
from tests.domains.quay import Quay
from tests.support.people import UserFactory

Make = Callable[[], Awaitable[Quay]]


@pytest.fixture
def settings(settings_here: Callable[..., Settings]) -> Settings:
    """Nobody to ask for certificates: domains are served by http."""
    return settings_here()


def new_name() -> str:
    return f"{secrets.token_hex(5)}.example.org"


async def test_without_an_authority_it_is_served_by_http_and_says_so(quay: Quay) -> None:
    domain = await quay.add(new_name())
    quay.prove(domain)
    assert (await quay.visit(domain["name"])).status_code == 404
    job = await quay.check(domain)
    assert job["state"] == "succeeded", job
    shown = await quay.domain(domain["id"])
    assert (shown["state"], shown["verified_by"], shown["certificate"]) == ("verified", "txt", None)
    assert f"host: {domain['name']}" in (await quay.visit(domain["name"], "/hello")).text
    setup = (await quay.ask("GET", f"/services/{quay.service_id}/domains/setup")).json()
    assert setup["https"] is False
    assert setup["missing"] == ["EDGE_TLS_ADDRESS", "ACME_DIRECTORY", "ACME_EMAIL", "ACME_TERMS_AGREED"]
    assert setup["target"] == f"{quay.service}.apps.example.net"
    assert await quay.rows("SELECT id FROM certificates") == []


async def test_leading_here_is_proof_where_nobody_disputes_it(quay: Quay, dns: Dns) -> None:
    by_address, by_name = await quay.add(new_name()), await quay.add(new_name())
    dns.alias(by_name["name"], f"{quay.service}.apps.example.net")
    for domain, how in ((by_address, "address"), (by_name, "cname")):
        await quay.check(domain)
        shown = await quay.domain(domain["id"])
        assert (shown["verified_by"], shown["dns"]["look"], shown["dns"]["reached"]) == (how, "here", True)


async def test_a_name_that_leads_to_anothers_service_is_not_had_by_its_address(
    make_quay: Make, dns: Dns
) -> None:
    """Its owner has pointed it at their own service, and not claimed it yet."""
    victim, thief = await make_quay(), await make_quay()
    name = new_name()
    dns.alias(name, f"{victim.service}.apps.example.net")
    domain = await thief.add(name)
    await thief.check(domain)
    shown = await thief.domain(domain["id"])
    assert (shown["state"], shown["problem"]["code"]) == ("pending", "needs_txt")


async def test_the_periodic_round_proves_too(quay: Quay, settings: Settings) -> None:
    domain = await quay.add(new_name())
    quay.prove(domain)
    await upkeep.keep_up(settings, quay.database)
    jobs = await quay.run_open()
    assert [job["kind"] for job in jobs] == ["domain.certificate"]
    assert (await quay.domain(domain["id"]))["state"] == "verified"
    assert (await quay.visit(domain["name"])).status_code == 200


async def test_wrong_dns_is_explained(quay: Quay, dns: Dns) -> None:
    elsewhere, failing = await quay.add(new_name()), await quay.add(new_name())
    dns.address_of(elsewhere["name"], "203.0.113.9")
    dns.text(elsewhere["record"]["name"], "somebody else's")
    dns.fail(failing["name"])
    await quay.check(elsewhere)
    shown = await quay.domain(elsewhere["id"])
    assert shown["state"] == "pending"
    assert shown["dns"]["look"] == "elsewhere"
    assert shown["dns"]["addresses"] == ["203.0.113.9"]
    assert shown["dns"]["expected"] == ["127.0.0.1"]
    assert shown["dns"]["txt"] == ["somebody else's"]
    await quay.check(failing)
    assert (await quay.domain(failing["id"]))["dns"]["look"] == "unanswered"


@pytest.mark.parametrize(
    ("leads", "expected", "look"),
    [
        (Addresses(Outcome.FOUND, ("192.0.2.1",), ()), ("192.0.2.1",), Look.HERE),
        (Addresses(Outcome.FOUND, ("192.0.2.1", "192.0.2.2"), ()), ("192.0.2.1",), Look.PARTLY),
        (Addresses(Outcome.FOUND, ("192.0.2.2",), ()), ("192.0.2.1",), Look.ELSEWHERE),
        (Addresses(Outcome.NOTHING, (), ()), ("192.0.2.1",), Look.MISSING),
        (Addresses(Outcome.FOUND, ("192.0.2.2",), ()), (), Look.UNKNOWN),
    ],
)
def test_where_it_leads(leads: Addresses, expected: tuple[str, ...], look: Look) -> None:
    assert where(leads, expected) is look


async def test_no_address_of_a_customers_is_ever_visited(quay: Quay, dns: Dns, settings: Settings) -> None:
    """Their DNS may name our database's host: only the edge's own addresses are asked by http."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.2", settings.domains_http_port)
    try:
        domain = await quay.add(new_name())
        dns.address_of(domain["name"], "127.0.0.2")
        await quay.check(domain)
        both = await quay.add(new_name())
        dns.address_of(both["name"], "127.0.0.1", "127.0.0.2")
        await quay.check(both)
    finally:
        server.close()
    assert heard == []
    assert (await quay.domain(domain["id"]))["dns"]["look"] == "elsewhere"
    assert (await quay.domain(both["id"]))["dns"]["look"] == "partly"
    assert (await quay.domain(both["id"]))["state"] == "pending"


async def test_a_domain_is_taken_over_by_proof_alone(make_quay: Make) -> None:
    first, second = await make_quay(), await make_quay()
    name = new_name()
    mine = await first.add(name)
    await first.check(mine)
    assert (await first.domain(mine["id"]))["verified_by"] == "address"
    theirs = await second.add(name)
    await second.check(theirs)
    shown = await second.domain(theirs["id"])
    assert (shown["state"], shown["problem"]["code"]) == ("pending", "needs_txt")
    assert (await first.domain(mine["id"]))["state"] == "verified"
    # The record of the one is no proof for the other.
    first.prove(mine)
    await second.check(theirs)
    assert (await second.domain(theirs["id"]))["state"] == "pending"
    second.dns.clear_text(mine["record"]["name"])
    second.prove(theirs)
    await second.check(theirs)
    assert (await second.domain(theirs["id"]))["verified_by"] == "txt"
    assert (await first.ask("GET", f"/domains/{mine['id']}")).status_code == 404
    letters = await first.rows("SELECT user_id FROM letters WHERE template = 'domain_taken_over'")
    assert [row.user_id for row in letters] == [first.person.id]
    actions = {row.action for row in await first.rows("SELECT action FROM audit_events")}
    assert {"domain.verified", "domain.taken_over"} <= actions


async def test_of_two_who_prove_it_at_once_one_has_it(make_quay: Make) -> None:
    first, second = await make_quay(), await make_quay()
    name = new_name()
    claims = [(quay, await quay.add(name)) for quay in (first, second)]
    for quay, domain in claims:
        quay.prove(domain)
    await asyncio.gather(*(quay.check(domain) for quay, domain in claims))
    held = await first.rows(
        "SELECT id FROM domains WHERE name = :name AND verified_at IS NOT NULL", name=name
    )
    assert len(held) == 1


async def test_what_somebody_gave_up_is_not_had_by_its_address(make_quay: Make) -> None:
    """DNS leads here still, by no doing of whoever comes next."""
    first, second = await make_quay(), await make_quay()
    name = new_name()
    mine = await first.add(name)
    await first.check(mine)
    await first.ask("DELETE", f"/domains/{mine['id']}")
    await first.run_open()
    theirs = await second.add(name)
    await second.check(theirs)
    assert (await second.domain(theirs["id"]))["problem"]["code"] == "needs_txt"
    again = await first.add(name)
    await first.check(again)
    assert (await first.domain(again["id"]))["state"] == "verified"


async def test_names_below_somebodys_are_not_had_by_their_address(make_quay: Make) -> None:
    first, second = await make_quay(), await make_quay()
    name = new_name()
    mine = await first.add(name)
    await first.check(mine)
    below = await second.add(f"shop.{name}")
    await second.check(below)
    assert (await second.domain(below["id"]))["problem"]["code"] == "needs_txt"


async def test_a_wildcard_needs_the_record_and_serves_what_is_below(quay: Quay) -> None:
    name = new_name()
    domain = await quay.add(f"*.{name}")
    assert domain["record"]["name"] == f"_gavan-challenge.{name}"
    await quay.check(domain)
    assert (await quay.domain(domain["id"]))["problem"]["code"] == "needs_txt"
    quay.prove(domain)
    await quay.check(domain)
    assert (await quay.visit(f"anything.{name}")).status_code == 200
    assert (await quay.visit(name)).status_code == 404


async def test_a_deleted_services_domain_is_locked_before_its_certificate(
    quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everybody else does who needs both: so nobody waits for another in turn."""
    domain = await quay.add(new_name())
    given_up: list[str] = []

    async def note(_: object, one: Domain) -> None:
        given_up.append(one.name)

    async def delete() -> None:
        async with quay.database.transaction() as session:
            await claiming.give_up_all(session, UUID(quay.service_id))

    monkeypatch.setattr(claiming, "give_up", note)
    async with quay.database.transaction() as session:
        await DomainDAO(session).get_locked(UUID(domain["id"]))
        deleting = asyncio.create_task(delete())
        await asyncio.sleep(0.2)
        assert given_up == []
    await deleting
    assert given_up == [domain["name"]]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("co.uk", "domain_public_suffix"),
        ("*.co.uk", "domain_public_suffix"),
        ("github.io", "domain_public_suffix"),
        ("panel.example.net", "domain_is_ours"),
        ("below.panel.example.net", "domain_is_ours"),
        ("other.apps.example.net", "domain_is_ours"),
        ("apps.example.net", "domain_is_ours"),
        ("*.example.net", "domain_is_ours"),
        ("192.0.2.7", "domain_is_address"),
        ("1.2.3.0x7f", "domain_is_address"),
        ("localhost", "domain_internal"),
        ("router.local", "domain_internal"),
        ("../../etc/passwd", "domain_invalid"),
        ("a b.example.org", "domain_invalid"),
        ("a;b.example.org", "domain_invalid"),
        ('x" 127.0.0.1:1; include /etc/passwd; ".example.org', "domain_invalid"),
        ("a_b.example.org", "domain_invalid"),
        ("-a.example.org", "domain_invalid"),
        ("a..example.org", "domain_invalid"),
        ("a.*.example.org", "domain_wildcard"),
        ("*.*.example.org", "domain_wildcard"),
        (f"{'a' * 64}.example.org", "domain_invalid"),
        (".".join(["a" * 60] * 5), "domain_invalid"),
        ("", "domain_invalid"),
        ("example\x00.org", "domain_invalid"),
        ("routes.generation", "domain_is_ours"),
    ],
)
async def test_hostile_names(quay: Quay, name: str, code: str) -> None:
    answer = await quay.ask("POST", f"/services/{quay.service_id}/domains", {"name": name})
    assert answer.status_code == 422
    assert answer.json()["code"] == code, answer.text
    assert answer.json()["errors"][0]["loc"] == ["body", "name"]


async def test_names_in_other_scripts(quay: Quay) -> None:
    domain = await quay.add(" Бухта-1.Example.ORG. ")
    assert domain["name"] == "xn---1-6kcd9ffo.example.org"
    assert domain["display_name"] == "бухта-1.example.org"
    again = await quay.ask("POST", f"/services/{quay.service_id}/domains", {"name": "БУХТА-1.example.org"})
    assert again.json()["code"] == "domain_claimed"


async def test_a_deleted_service_leaves_no_route(quay: Quay) -> None:
    domain = await quay.add(new_name())
    await quay.check(domain)
    from backend.domains import claiming
    from backend.services.routing import Edge

    async with quay.database.transaction() as session:
        await claiming.give_up_all(session, domain["service"]["id"])
    await Edge(quay.settings, quay.database).publish()
    assert (await quay.visit(domain["name"])).status_code == 404
    released = await quay.rows("SELECT name FROM released_domains")
    assert [row.name for row in released] == [domain["name"]]


async def test_the_operator_sees_all_of_them(make_quay: Make, user_factory: UserFactory) -> None:
    first, second = await make_quay(), await make_quay()
    mine, theirs = await first.add(new_name()), await second.add(new_name())
    await first.check(mine)
    admin = await user_factory(roles=("user", "admin"))

    async def listed(path: str) -> list[str]:
        answer = await first.client.get(f"/api/v1/admin/{path}", headers=admin.headers)
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["items"]]

    assert await listed("domains") == [theirs["name"], mine["name"]]
    assert await listed("domains?state=verified") == [mine["name"]]
    assert await listed(f"domains?q={theirs['name'][:8]}") == [theirs["name"]]
    assert await listed("certificates") == []
    assert (await second.ask("GET", f"/domains/{mine['id']}")).status_code == 404
    assert (await second.ask("POST", f"/domains/{mine['id']}/checks")).status_code == 404
    assert (await second.ask("DELETE", f"/domains/{mine['id']}")).status_code == 404


async def test_a_service_has_so_many_and_no_more(quay: Quay) -> None:
    await quay.execute(
        "INSERT INTO domains (id, project_id, service_id, name, token, https_redirect, hsts, look, check_at,"
        " failures) SELECT gen_random_uuid(), s.project_id, s.id, n || '.example.org', '', true, false,"
        " 'unchecked', now(), 0 FROM services s, generate_series(1, 20) n"
    )
    answer = await quay.ask("POST", f"/services/{quay.service_id}/domains", {"name": "one.more.example.org"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_domains")
