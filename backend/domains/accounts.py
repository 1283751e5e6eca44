"""The installation's account at its authority: made at the first need, its key sealed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from backend.config import Settings
from backend.database import Database, now
from backend.domains.acme import ACCOUNT_GONE, Acme, AcmeError
from backend.domains.dao import AcmeAccountDAO
from backend.domains.models import AcmeAccount
from backend.domains.sealing import new_private_key, seal, unseal
from backend.utils.ids import new_id

LONGEST_PAUSE = timedelta(days=7)


async def connect(settings: Settings, database: Database) -> Acme:
    """The authority, with our account there. Raises `AcmeError`.

    The key is kept before the authority hears of it: whoever is killed in between finds the same account.
    """
    account = await _account(settings, database)
    if account.paused_until is not None and account.paused_until > now():
        raise AcmeError("acme_rate_limited", "", account.paused_until - now())
    key = unseal("account", account.id, account.private_key)
    bundle = str(settings.acme_ca_bundle) if settings.acme_ca_bundle else None
    acme = await asyncio.to_thread(Acme, settings.acme_directory, key, account.url, bundle)
    try:
        if account.url is None:
            url = await asyncio.to_thread(acme.register, settings.acme_email)
            await _write(database, account, url=url, email=settings.acme_email)
        elif account.email != settings.acme_email:
            await asyncio.to_thread(acme.change_contact, settings.acme_email)
            await _write(database, account, email=settings.acme_email)
    except AcmeError as error:
        acme.close()
        await heed(settings, database, error)
        raise
    return acme


async def heed(settings: Settings, database: Database, error: AcmeError) -> None:
    """Keep still for a while, or register anew, if that is what the error says."""
    account = await _account(settings, database)
    if error.code == "acme_rate_limited" and error.retry_after is not None:
        await _write(database, account, paused_until=now() + min(error.retry_after, LONGEST_PAUSE))
    elif error.code == ACCOUNT_GONE:
        await _write(database, account, url=None)


async def _account(settings: Settings, database: Database) -> AcmeAccount:
    directory = settings.acme_directory
    async with database.transaction() as session:
        dao = AcmeAccountDAO(session)
        if (found := await dao.of(directory)) is None:
            account_id = new_id()
            await dao.make(account_id, directory, seal("account", account_id, new_private_key()))
            found = await dao.of(directory)
        assert found is not None
        return found


async def _write(database: Database, account: AcmeAccount, **values: str | datetime | None) -> None:
    async with database.transaction() as session:
        row = await AcmeAccountDAO(session).get_locked(account.id)
        assert row is not None
        for name, value in values.items():
            setattr(row, name, value)
