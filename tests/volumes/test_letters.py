"""A volume that is nearly full is told of once, and again after it was well below that."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from backend.database import Database
from backend.engines.base import VolumeUsage
from backend.mail.models import Letter
from backend.volumes import tending
from backend.volumes.dao import VolumeDAO
from backend.volumes.models import GIB
from tests.services.releases import Harbour
from tests.volumes.test_keeping import add


class Filling:
    """An engine whose volumes are as full as is said."""

    share = 0.5

    async def volume_usage(self, ids: list[str]) -> dict[str, VolumeUsage]:
        return {one: VolumeUsage(int(GIB * self.share), GIB) for one in ids}


async def test_once_and_again_after_it_was_below(harbour: Harbour, database: Database) -> None:
    await harbour.order()
    volume, engine = (await add(harbour)).json()["id"], Filling()
    async with database.transaction() as session:
        row = await VolumeDAO(session).get_locked(UUID(volume))
        assert row
        row.made_bytes = GIB
    seen = []
    for share in (0.5, 0.91, 0.99, 0.85, 0.95, 0.79, 0.92, 1.0):
        engine.share = share
        await tending.measure(harbour.settings, database, engine)  # type: ignore[arg-type]
        async with database.transaction() as session:
            count = select(func.count()).where(Letter.template == "volume_nearly_full")
            seen.append(await session.scalar(count))
    assert seen == [0, 1, 1, 1, 1, 1, 2, 2]
