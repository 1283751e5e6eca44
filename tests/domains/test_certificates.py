"""Certificates of a real authority at a real edge: issued, chosen by SNI, renewed, revoked."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta

import pytest

from backend.config import Settings
from backend.database import now
from backend.domains import upkeep
from tests.domains.authority import Authority
from tests.domains.quay import Quay, names_of


def new_name() -> str:
    return f"{secrets.token_hex(5)}.example.org"


async def test_a_domain_gets_its_certificate(quay: Quay, authority: Authority) -> None:
    name = new_name()
    domain = await quay.secured(name)
    assert domain["verified_by"] == "txt"
    assert domain["problem"] is None
    assert names_of(quay.certificate(name)) == [name]
    assert domain["certificate"]["serial"] == f"{quay.certificate(name).serial_number:x}"
    status, _, body = quay.ask_securely(name, "/hello", verify=authority.chain_of_root())
    assert status == 200
    assert "x-forwarded-proto: https" in body
    assert f"host: {name}" in body


async def test_who_asks_for_another_name_gets_the_default(quay: Quay) -> None:
    name = new_name()
    await quay.secured(name)
    for other in (f"www.{name}", "other.example.org", f"{quay.service}.apps.example.net", None):
        assert names_of(quay.certificate(other)) == []


async def test_plain_http_is_led_to_https_once_there_is_a_certificate(quay: Quay) -> None:
    name = new_name()
    domain = await quay.secured(name)
    answer = await quay.visit(name, "/a?b=c")
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{name}:{quay.tls_port}/a?b=c"
    challenge = await quay.visit(name, "/.well-known/acme-challenge/none")
    assert challenge.status_code == 404
    own = await quay.visit(f"{quay.service}.apps.example.net")
    assert own.status_code == 200
    changed = await quay.ask("PATCH", f"/domains/{domain['id']}", {"https_redirect": False})
    assert changed.status_code == 200
    await quay.run_open()
    assert (await quay.visit(name)).status_code == 200


async def test_hsts_is_said_only_where_it_was_asked_for(quay: Quay) -> None:
    name = new_name()
    domain = await quay.secured(name)
    assert "strict-transport-security" not in quay.ask_securely(name)[1]
    await quay.ask("PATCH", f"/domains/{domain['id']}", {"hsts": True})
    await quay.run_open()
    assert "strict-transport-security: max-age=31536000" in quay.ask_securely(name)[1]
    refused = await quay.ask("PATCH", f"/domains/{domain['id']}", {"https_redirect": False})
    assert refused.json()["code"] == "hsts_needs_redirect"


async def test_it_is_renewed_in_time_and_served_without_a_reload(quay: Quay, settings: Settings) -> None:
    name = new_name()
    domain = await quay.secured(name)
    before = quay.certificate(name).serial_number
    routes = settings.edge_domains_file.read_text()
    life = await quay.rows("SELECT not_before, not_after, renew_at FROM certificates WHERE state = 'active'")
    third = (life[0].not_after - life[0].not_before) / 3
    assert abs(life[0].not_after - third - life[0].renew_at) < timedelta(seconds=2)
    await upkeep.order_due(quay.database)
    assert await quay.run_open() == []
    await quay.execute("UPDATE domains SET certificate_at = now()")
    await upkeep.order_due(quay.database)
    await upkeep.order_due(quay.database)
    jobs = await quay.run_open()
    assert [job["state"] for job in jobs] == ["succeeded"]
    after = quay.certificate(name).serial_number
    assert after != before
    assert settings.edge_domains_file.read_text() == routes
    states = await quay.rows(
        "SELECT state, private_key IS NULL AS gone FROM certificates ORDER BY created_at"
    )
    assert [(row.state, row.gone) for row in states] == [("replaced", True), ("active", False)]
    assert (await quay.domain(domain["id"]))["state"] == "secured"


async def test_a_removed_domain_serves_no_more_and_its_certificate_is_revoked(
    quay: Quay, authority: Authority, settings: Settings
) -> None:
    name = new_name()
    domain = await quay.secured(name)
    serial = domain["certificate"]["serial"]
    assert authority.status_of(serial) == "Valid"
    answer = await quay.ask("DELETE", f"/domains/{domain['id']}")
    assert answer.status_code == 202
    job = await quay.run(answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    assert authority.status_of(serial) == "Revoked"
    assert (await quay.visit(name)).status_code == 404
    assert names_of(quay.certificate(name)) == []
    kept = (await quay.rows("SELECT state, domain_id, private_key FROM certificates"))[0]
    assert (kept.state, kept.domain_id, kept.private_key) == ("revoked", None, None)
    file = settings.edge_certificates_dir / f"{domain['id']}.pem"
    assert file.exists()
    import os

    os.utime(file, (0, 0))
    await upkeep.mend_files(settings, quay.database)
    assert not file.exists()


async def test_keys_are_sealed_and_files_are_the_owners_alone(quay: Quay, settings: Settings) -> None:
    domain = await quay.secured(new_name())
    file = settings.edge_certificates_dir / f"{domain['id']}.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text().partition("-----BEGIN PRIVATE KEY-----")[2].strip()[:40]
    stored = await quay.rows(
        "SELECT c.private_key AS one, a.private_key AS two FROM certificates c, acme_accounts a"
    )
    assert all(value.startswith("v1.") and key not in value for value in (stored[0].one, stored[0].two))


async def test_lost_files_are_written_again(quay: Quay, settings: Settings) -> None:
    domain = await quay.secured(new_name())
    file = settings.edge_certificates_dir / f"{domain['id']}.pem"
    content = file.read_text()
    file.unlink()
    await upkeep.mend_files(settings, quay.database)
    assert file.read_text() == content


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "../default",
        "default",
        "..%2f..",
        "a/../b.example.org",
        "x" * 200,
        "*.example.org",
    ],
)
async def test_what_is_written_into_the_handshake_walks_no_paths(quay: Quay, name: str) -> None:
    await quay.secured(new_name())
    stolen = quay.settings.edge_certificates_dir.parent / "stolen.pem"
    stolen.write_text("not a certificate")
    try:
        shown = _shown_to(quay, name)
    finally:
        stolen.unlink()
    assert shown == []


def _shown_to(quay: Quay, name: str) -> list[str]:
    """By openssl, which writes whatever it is given."""
    import subprocess

    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{quay.tls_port}", "-servername", name, "-showcerts"],
        input=b"",
        capture_output=True,
        timeout=30,
        check=False,
    )
    from cryptography import x509

    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    assert begin in done.stdout, done.stderr
    block = begin + done.stdout.partition(begin)[2].partition(end)[0] + end
    return names_of(x509.load_pem_x509_certificate(block))


async def test_many_at_once(quay: Quay) -> None:
    """With one nonce in twenty refused, as the authority does by itself."""
    found = await asyncio.gather(*(quay.secured(new_name()) for _ in range(6)))
    assert len({domain["certificate"]["serial"] for domain in found}) == 6
    accounts = await quay.rows("SELECT url FROM acme_accounts")
    assert len(accounts) == 1
    assert accounts[0].url
    assert now()
