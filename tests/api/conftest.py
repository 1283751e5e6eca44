"""An owner with one of everything, and people to whom none of it belongs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from backend.backups.dao import BackupDAO
from backend.backups.models import Backup, BackupState
from backend.billing.dunning.dao import OverrideDAO, StateDAO
from backend.billing.dunning.models import DunningOverride
from backend.billing.invoices.dao import InvoiceDAO
from backend.billing.invoices.issuing import issue_month
from backend.billing.invoices.months import Month
from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.ledger.dao import AdjustmentsDAO
from backend.billing.ledger.models import LedgerAdjustment
from backend.billing.metering.dao import ChargeDAO
from backend.billing.metering.models import UsageCharge
from backend.billing.prices import editing
from backend.billing.prices.dao import CouponDAO, TaxRateDAO
from backend.billing.prices.models import Coupon, TaxRate
from backend.config import Settings
from backend.cronjobs.dao import CronJobDAO, CronRunDAO
from backend.database import Database, now
from backend.domains.dao import DomainDAO
from backend.domains.models import Domain
from backend.domains.sealing import seal
from backend.factors.dao import PasskeyDAO
from backend.factors.models import Passkey
from backend.hooks.configuration import vault_of
from backend.hooks.dao import PushHookDAO
from backend.hooks.models import PushHook
from backend.mail import outbox
from backend.oauth.dao import ClientDAO, ConsentDAO, PersonalTokenDAO, SessionDAO
from backend.oauth.models import Consent, OAuthClient, OAuthSession, PersonalToken
from backend.oauth.tokens import digest
from backend.ports.dao import PortDAO
from backend.ports.models import PublicPort
from backend.projects.dao import InvitationDAO
from backend.projects.models import Invitation
from backend.services.dao import ServiceDAO
from backend.utils.ids import new_id
from backend.volumes import files
from backend.volumes.dao import VolumeDAO
from backend.volumes.models import GIB, Volume
from backend.volumes.schemas import FileIn
from tests.api.operations import (
    APPLICATION,
    BACKUP,
    DEPLOY_HOOK,
    INVITATION,
    VOLUME,
    WEBHOOK_SECRET,
    Operation,
    operations,
    order_body,
)
from tests.api.paid import have_paid
from tests.cronjobs.rows import cron_rows
from tests.support.people import Person, UserFactory
from tests.support.swarm import SECOND


@pytest.fixture
def walk(app: FastAPI) -> list[Operation]:
    found = operations(app)
    assert len(found) > 30
    return found


@pytest.fixture
async def owner(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def stranger(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def objects(
    client: httpx.AsyncClient, owner: Person, database: Database, settings: Settings
) -> dict[str, str]:
    """The ids of what the owner has, by the names that paths use."""
    answer = await client.post("/api/v1/orders", json=order_body(), headers=owner.headers)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    body = {
        "template_id": "ai-agent",
        "name": "quay",
        "parameters": {"api_key": "sk-1"},
        "project_id": str(owner.project_id),
    }
    answer = await client.post("/api/v1/stacks", json=body, headers=owner.headers)
    assert answer.status_code == 202, answer.text
    stack_id = answer.json()["stack_id"]
    async with database.transaction() as session:
        letter_id = await outbox.write(session, "test", to=owner.email, locale="en", name="Ada")
        invitation = Invitation(
            project_id=owner.project_id,
            email="invited@example.com",
            role="viewer",
            token_hash=digest(INVITATION),
            invited_by=owner.id,
            expires_at=now() + timedelta(days=7),
        )
        await InvitationDAO(session).add(invitation)
        application = OAuthClient(
            id=APPLICATION,
            owner_id=owner.id,
            name="Tide calendar",
            grants=["authorization_code", "refresh_token"],
            redirect_uris=["https://tides.example.com/back"],
            scopes=["me:read", "services:read"],
            secret_hash=digest("x"),
        )
        consent = Consent(user_id=owner.id, client_id=APPLICATION, scope="me:read")
        token = PersonalToken(user_id=owner.id, name="Nightly", token_hash=digest("x"), scope="me:read")
        await ClientDAO(session).add(application)
        await ConsentDAO(session).add(consent)
        await PersonalTokenDAO(session).add(token)
        passkey = Passkey(user_id=owner.id, credential_id=b"x", public_key=b"x", transports=[], synced=False)
        passkey.name = "Blue key"
        await PasskeyDAO(session).add(passkey)
        hook = PushHook(id=new_id(), service_id=UUID(accepted["service_id"]), enabled=True, watch_paths=[])
        hook.secret = vault_of(settings).seal(WEBHOOK_SECRET, str(hook.id))
        hook.secret_set_at = hook.token_set_at = now()
        hook.token_hash = digest(DEPLOY_HOOK)
        await PushHookDAO(session).add(hook)
        domain = Domain(
            id=new_id(),
            project_id=owner.project_id,
            service_id=UUID(accepted["service_id"]),
            name="harbour.example.org",
            token="token-of-the-domain",
            provider="cloudflare",
            provider_settings={},
        )
        domain.provider_secret = seal("provider", domain.id, "a token of the zone")
        await DomainDAO(session).add(domain)
        volume = Volume(
            id=UUID(VOLUME),
            project_id=owner.project_id,
            service_id=UUID(accepted["service_id"]),
            name="uploads",
            path="/uploads",
            size_bytes=2 * GIB,
            made_bytes=2 * GIB,
        )
        await VolumeDAO(session).add(volume)
        backup = Backup(
            id=UUID(BACKUP),
            project_id=owner.project_id,
            service_id=volume.service_id,
            volume_id=volume.id,
            volume_name=volume.name,
            volume_bytes=volume.size_bytes,
            trigger="manual",
            state=BackupState.VERIFIED,
            target="directory",
            object_key="nowhere",
        )
        await BackupDAO(session).add(backup)
        await PortDAO(session).add(PublicPort(port=31000, service_id=UUID(accepted["service_id"])))
        service = await ServiceDAO(session).get(UUID(accepted["service_id"]))
        assert service is not None
        key = FileIn(path="/etc/app/secret.key", content="c2VjcmV0")
        file = await files.put(session, service, key)
        cron_job, cron_run = cron_rows(owner.project_id, UUID(accepted["service_id"]))
        await CronJobDAO(session).add(cron_job)
        await CronRunDAO(session).add(cron_run)
        await StateDAO(session).make(owner.project_id, now())
        decided = DunningOverride(project_id=owner.project_id, never_suspend=True, reason="Ticket 17")
        await OverrideDAO(session).add(decided)
        proposal = LedgerAdjustment(
            project_id=owner.project_id,
            currency="EUR",
            amount=50_000,
            reason="Goodwill",
            state="proposed",
            proposed_by=owner.id,
        )
        await AdjustmentsDAO(session).add(proposal)
        later = now() + timedelta(days=3650)
        price = await editing.add_version(session, editing.Version("schooner", "EUR", 1900, 0, later))
        coupon = Coupon(id=new_id(), code="HARBOUR-10", kind="percent", percent=10)
        rate = TaxRate(id=new_id(), country="DE", rate_millionths=210_000, valid_from=later, source="a law")
        await CouponDAO(session).add(coupon)
        await TaxRateDAO(session).add(rate)
        about = About("usage", "usage", occurred_at=datetime(2026, 10, 5, tzinfo=UTC))
        await moves.charge(session, owner.project_id, "EUR", 1_000, 190, key="usage:1", about=about)
        invoice = await issue_month(session, settings, owner.project_id, "EUR", Month(2026, 10))
        assert invoice is not None
        (line,) = await InvoiceDAO(session).lines(invoice.id)
        used = UsageCharge(
            project_id=owner.project_id,
            service_id=UUID(accepted["service_id"]),
            meter="plan",
            price_id=price.id,
            day=date(2026, 10, 5),
            currency="EUR",
            seconds=86_400,
            amount=68,
        )
        await ChargeDAO(session).add(used)
        money = await have_paid(session, settings, owner.project_id)
        elsewhere = OAuthSession(user_id=owner.id, client_id="cli", expires_at=now() + timedelta(days=1))
        await SessionDAO(session).add(elsewhere)
    return {
        "project_id": str(owner.project_id),
        "service_id": accepted["service_id"],
        "stack_id": stack_id,
        "deployment_id": accepted["deployment_id"],
        "job_id": accepted["job_id"],
        "letter_id": str(letter_id),
        "invitation_id": str(invitation.id),
        "user_id": str(owner.id),
        "passkey_id": str(passkey.id),
        "session_id": str(elsewhere.id),
        "application_id": APPLICATION,
        "token_id": str(token.id),
        "grant_id": str(consent.id),
        "hook_id": str(hook.id),
        "domain_id": str(domain.id),
        "cron_job_id": str(cron_job.id),
        "run_id": str(cron_run.id),
        "volume_id": VOLUME,
        "backup_id": BACKUP,
        "file_id": str(file.id),
        "adjustment_id": str(proposal.id),
        "price_id": str(price.id),
        "coupon_id": str(coupon.id),
        "rate_id": str(rate.id),
        "invoice_id": str(invoice.id),
        "line_id": str(line.id),
        "charge_id": str(used.id),
        **money,
        "gateway": "yookassa",
        "node_id": SECOND,
        "token": DEPLOY_HOOK,
        "role_name": "user",
        "registry": "ghcr.io",
        "template_name": "test",
    }


@pytest.fixture
def everything(database: Database) -> Callable[[], Awaitable[dict[str, list[Any]]]]:
    """All rows of what customers own."""

    async def read() -> dict[str, list[Any]]:
        tables = ("services", "service_variables", "deployments", "orders", "jobs", "projects")
        async with database.transaction() as session:
            return {
                table: sorted((await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars())
                for table in tables
            }

    return read
