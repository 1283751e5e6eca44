"""What goes wrong on the way to a certificate: it is said, tried again in time, and done once."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backend.config import Settings
from backend.database import now
from backend.domains import upkeep
from backend.domains.acme import Acme, AcmeError
from backend.jobs import relay
from tests.domains.authority import Authority, Dns, run_authority
from tests.domains.quay import Quay, names_of
from tests.embedded.conftest import RunningEdge
from tests.support.environment import environment

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("ordering", "proving", "finishing", "installing")


def new_name() -> str:
    return f"{secrets.token_hex(5)}.example.org"


@pytest.fixture(scope="module", params=[0, 30], ids=["good nonces", "bad nonces"])
def authority(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    dns: Dns,
    tls_edge: RunningEdge,
) -> Iterator[Authority]:
    """One that takes its time, so that it can be interrupted; and refuses many nonces, or none."""
    folder, port = tmp_path_factory.mktemp("authority"), int(tls_edge.env["EDGE_PORT"])
    slow = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "1", "PEBBLE_AUTHZREUSE": "0"}
    with run_authority(folder, dns, port, bad_nonces=request.param, **slow) as running:
        yield running


@pytest.mark.parametrize("step", STEPS)
async def test_killed_in_the_middle_it_is_issued_all_the_same_and_once(quay: Quay, step: str) -> None:
    domain = await quay.add(new_name())
    quay.prove(domain)
    answer = await quay.ask("POST", f"/domains/{domain['id']}/checks")
    job_id = answer.json()["job_id"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.domains.worker", job_id],
        cwd=ROOT,
        env={**os.environ, **environment(quay.settings)},
    )
    try:
        await _reaches(quay, worker, job_id, step)
    finally:
        worker.kill()
        worker.wait(30)
    await quay.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'")
    await relay.due(quay.database)
    await quay.execute("UPDATE jobs SET run_at = now() WHERE id = :id", id=job_id)
    job = await quay.run(job_id)
    assert job["state"] == "succeeded", job
    shown = await quay.domain(domain["id"])
    assert shown["state"] == "secured", shown
    assert names_of(quay.certificate(domain["name"])) == [domain["name"]]
    assert [row.state for row in await quay.rows("SELECT state FROM certificates")] == ["active"]
    assert not list(quay.settings.edge_challenges_dir.glob("gavan-*"))


async def _reaches(quay: Quay, worker: subprocess.Popen[bytes], job_id: str, step: str) -> None:
    later = STEPS[STEPS.index(step) :]
    async with asyncio.timeout(60):
        while True:
            row = (await quay.rows("SELECT state, step FROM jobs WHERE id = :id", id=job_id))[0]
            if row.step in later or row.state == "succeeded":
                return
            assert not worker.poll(), "the worker failed"
            await asyncio.sleep(0.005)


async def test_a_failure_is_explained_and_tried_again_ever_more_seldom(quay: Quay, dns: Dns) -> None:
    domain = await quay.add(new_name())
    quay.prove(domain)
    # The authority sees another server than we do: our own look is done already.
    await quay.execute(
        "UPDATE domains SET verified_at = now(), verified_by = 'txt', look = 'here', certificate_at = now()"
    )
    dns.address_of(domain["name"], "127.0.0.3")
    waits = []
    for attempt in range(1, 4):
        await upkeep.order_due(quay.database)
        jobs = await quay.run_open()
        assert [job["error"]["code"] for job in jobs] == ["acme_connection"]
        shown = await quay.domain(domain["id"])
        assert (shown["state"], shown["failures"]) == ("failing", attempt)
        assert shown["problem"]["code"] == "acme_connection"
        assert shown["problem"]["parameters"]["words"]
        row = (await quay.rows("SELECT certificate_at FROM domains"))[0]
        waits.append(row.certificate_at - now())
        await upkeep.order_due(quay.database)
        assert await quay.run_open() == []
        await quay.execute("UPDATE domains SET certificate_at = now()")
    assert waits[0] < waits[1] < waits[2] <= timedelta(minutes=20)
    dns.address_of(domain["name"], "127.0.0.1")
    await quay.check(domain)


async def test_owners_are_written_to_when_a_renewal_keeps_failing(quay: Quay, dns: Dns) -> None:
    domain = await quay.secured(new_name())
    dns.address_of(domain["name"], "127.0.0.3")
    in_a_row = 0
    while in_a_row < 4:
        # Now and then the authority takes the name for proven still, and renews.
        in_a_row = in_a_row + 1 if await _renewal_fails(quay) else 0
    letters = await quay.rows("SELECT user_id FROM letters WHERE template = 'certificate_failing'")
    assert [row.user_id for row in letters] == [quay.person.id]
    shown = await quay.domain(domain["id"])
    assert (shown["state"], shown["failures"]) == ("secured", 4)
    assert names_of(quay.certificate(domain["name"])) == [domain["name"]]


async def _renewal_fails(quay: Quay) -> bool:
    """Whether one that is due now does; the certificate in use ends soon."""
    await quay.execute("UPDATE certificates SET not_after = now() + interval '5 days'")
    await quay.execute("UPDATE domains SET certificate_at = now()")
    await upkeep.order_due(quay.database)
    (job,) = await quay.run_open()
    if job["state"] == "succeeded":
        return False
    assert job["error"]["code"] == "acme_connection", job
    return True


async def test_it_is_not_asked_for_what_leads_elsewhere(quay: Quay, dns: Dns) -> None:
    domain = await quay.add(new_name())
    quay.prove(domain)
    dns.address_of(domain["name"], "203.0.113.9")
    job = await quay.check(domain)
    assert job["error"]["code"] == "not_pointed_here"
    shown = await quay.domain(domain["id"])
    assert (shown["verified_by"], shown["problem"]["code"]) == ("txt", "not_pointed_here")
    assert await quay.rows("SELECT id FROM acme_accounts") == []


async def test_too_often_is_heeded_for_the_whole_account(quay: Quay, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AcmeError("acme_rate_limited", "too many new orders", timedelta(hours=2))

    asked: list[str] = []
    monkeypatch.setattr(Acme, "order", refuse)
    first, second = await quay.add(new_name()), await quay.add(new_name())
    for domain in (first, second):
        quay.prove(domain)
    await quay.check(first)
    shown = await quay.domain(first["id"])
    assert shown["problem"]["code"] == "acme_rate_limited"
    row = (await quay.rows("SELECT certificate_at FROM domains WHERE id = :id", id=first["id"]))[0]
    assert row.certificate_at - now() > timedelta(minutes=119)
    monkeypatch.setattr(Acme, "order", lambda *_: asked.append("again"))
    await quay.check(second)
    assert (await quay.domain(second["id"]))["problem"]["code"] == "acme_rate_limited"
    assert asked == []


async def test_an_account_that_the_authority_forgot_is_made_anew(quay: Quay) -> None:
    await quay.secured(new_name())
    await quay.execute("UPDATE acme_accounts SET url = regexp_replace(url, '[^/]+$', '0')")
    domain = await quay.add(new_name())
    quay.prove(domain)
    job = await quay.check(domain)
    assert job["state"] == "failed"
    again = await quay.check(domain)
    assert again["state"] == "succeeded", again
    assert (await quay.domain(domain["id"]))["state"] == "secured"


async def test_an_authority_that_is_away_takes_nothing_away(
    quay: Quay, settings: Settings, settings_of: Callable[..., Settings]
) -> None:
    domain = await quay.secured(new_name())
    quay.settings = settings.model_copy(update={"acme_directory": "https://127.0.0.1:1/dir"})
    await quay.execute("UPDATE domains SET certificate_at = now()")
    await upkeep.keep_up(quay.settings, quay.database)
    jobs = await quay.run_open()
    assert [job["error"]["code"] for job in jobs] == ["acme_unreachable"]
    assert (await quay.domain(domain["id"]))["state"] == "secured"
    assert names_of(quay.certificate(domain["name"])) == [domain["name"]]


async def test_a_revocation_that_fails_is_made_good_later(
    quay: Quay, settings: Settings, authority: Authority
) -> None:
    domain = await quay.secured(new_name())
    serial = domain["certificate"]["serial"]
    answer = await quay.ask("DELETE", f"/domains/{domain['id']}")
    good = quay.settings
    quay.settings = settings.model_copy(update={"acme_directory": "https://127.0.0.1:1/dir"})
    job = await quay.run(answer.json()["job_id"])
    assert job["state"] == "succeeded"
    row = (await quay.rows("SELECT state, revoke_failures FROM certificates"))[0]
    assert (row.state, row.revoke_failures) == ("revoking", 1)
    quay.settings = good
    await quay.execute("UPDATE certificates SET revoke_at = now()")
    await upkeep.keep_up(good, quay.database)
    assert authority.status_of(serial) == "Revoked"
