"""An authority that wants a certificate renewed earlier says so (ARI), and is listened to."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from backend.database import now
from backend.domains import upkeep
from backend.domains.acme import Acme
from tests.domains.quay import Quay


async def test_an_earlier_time_is_heeded(quay: Quay, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = await quay.secured(f"{secrets.token_hex(5)}.example.org")
    planned = domain["certificate"]["renew_at"]
    # It knows of no such thing yet, and is asked again later.
    asked = (await quay.rows("SELECT ask_at FROM certificates"))[0].ask_at
    assert now() + timedelta(hours=5) < asked < now() + timedelta(hours=7)
    await quay.execute("UPDATE certificates SET ask_at = now()")
    sooner, again = now() - timedelta(hours=1), now() + timedelta(hours=6)
    monkeypatch.setattr(Acme, "renewal_time", lambda *_: (sooner, again))
    await upkeep.ask_authority(quay.settings, quay.database)
    shown = await quay.domain(domain["id"])
    assert shown["certificate"]["renew_at"] < planned
    monkeypatch.undo()
    await upkeep.order_due(quay.database)
    assert [job["state"] for job in await quay.run_open()] == ["succeeded"]
    renewed = await quay.domain(domain["id"])
    assert renewed["certificate"]["serial"] != domain["certificate"]["serial"]


async def test_a_later_time_changes_nothing(quay: Quay, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = await quay.secured(f"{secrets.token_hex(5)}.example.org")
    await quay.execute("UPDATE certificates SET ask_at = now()")
    later = now() + timedelta(days=100_000)
    monkeypatch.setattr(Acme, "renewal_time", lambda *_: (later, later))
    await upkeep.ask_authority(quay.settings, quay.database)
    assert (await quay.domain(domain["id"]))["certificate"] == domain["certificate"]
