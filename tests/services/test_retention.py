"""Which builds are let go of, and that what is gone is not offered."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from backend.config import Settings
from backend.engines.registry import make_engine
from backend.services import retention
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.sweep import sweep
from tests.services.releases import Harbour

LetGo = Callable[[int], Awaitable[list[str]]]


class TestRetention:
    @pytest.fixture
    def let_go(self, harbour: Harbour) -> LetGo:
        async def run(kept: int) -> list[str]:
            async with harbour.database.transaction() as session:
                await ServiceDAO(session).get_locked(UUID(harbour.service_id))
                return [str(one) for one in await retention.let_go(session, UUID(harbour.service_id), kept)]

        return run

    async def test_the_newest_stay(self, harbour: Harbour, let_go: LetGo) -> None:
        await harbour.order()
        for _ in range(4):
            await harbour.deploy()
        assert await let_go(3) == harbour.made[:2]
        assert await harbour.offered() == [3, 4]
        assert await let_go(3) == []

    async def test_going_back_and_forth_costs_no_other_build(self, harbour: Harbour, let_go: LetGo) -> None:
        await harbour.order()
        one, two, three = harbour.made[0], await harbour.deploy(), await harbour.deploy()
        for target in (one, two, one, two):
            await harbour.live((await harbour.roll_back(target)).json()["deployment_id"])
            assert await let_go(3) == []
        assert await harbour.offered() == [1, 2, 3, 4, 5, 6]
        await harbour.deploy()
        # What served least lately goes, not what was built first.
        assert await let_go(3) == [three]

    async def test_the_live_one_and_what_is_on_its_way_are_spared(
        self, harbour: Harbour, let_go: LetGo
    ) -> None:
        await harbour.order()
        first = harbour.made[0]
        for _ in range(3):
            await harbour.deploy()
        accepted = await harbour.roll_back(first)
        assert accepted.status_code == 202
        assert await let_go(1) == harbour.made[1:3]
        await harbour.live(accepted.json()["deployment_id"])
        assert await let_go(1) == [harbour.made[3]]

    async def test_a_smaller_setting_takes_effect_by_the_sweep(
        self, harbour: Harbour, settings: Settings
    ) -> None:
        await harbour.order()
        for _ in range(3):
            await harbour.deploy()
        fewer = settings.model_copy(update={"deployments_kept": 2})
        await retention.let_go_everywhere(fewer, harbour.database)
        assert await harbour.offered() == [3]
        async with harbour.database.transaction() as session:
            wanted = {str(one) for one in await DeploymentDAO(session).wanted()}
        assert wanted == set(harbour.made[2:])

    async def test_the_sweep_notices_files_that_are_gone(self, harbour: Harbour, settings: Settings) -> None:
        await harbour.order()
        for _ in range(2):
            await harbour.deploy()
        deployments = settings.engine_home / "deployments"
        engine = make_engine(settings)
        # A folder that is not mounted is no deletion.
        deployments.rename(settings.engine_home / "away")
        await sweep(settings, harbour.database, engine)
        assert await harbour.offered() == [1, 2]
        (settings.engine_home / "away").rename(deployments)
        shutil.rmtree(deployments / harbour.made[1] / "tree")
        await sweep(settings, harbour.database, engine)
        assert await harbour.offered() == [1]

    async def test_the_build_of_the_live_release_is_never_swept(self, harbour: Harbour) -> None:
        """Not even when it was taken for gone, say by an engine that saw badly for a moment."""
        await harbour.order()
        first = harbour.made[0]
        await harbour.deploy()
        back = await harbour.live((await harbour.roll_back(first)).json()["deployment_id"])
        async with harbour.database.transaction() as session:
            await DeploymentDAO(session).note_builds_gone([UUID(first)])
            assert {UUID(first), UUID(back)} <= set(await DeploymentDAO(session).wanted())
