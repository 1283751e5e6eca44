"""One project's many deployments do not keep another's one waiting."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from backend.database import Database
from backend.jobs import runner
from backend.jobs.models import Job
from tests.services.conftest import order_body
from tests.support.people import Person, UserFactory

LEASE = timedelta(seconds=60)


async def queue(client: httpx.AsyncClient, person: Person, count: int) -> list[UUID]:
    jobs = []
    for _ in range(count):
        answer = await client.post("/api/v1/orders", json=order_body(), headers=person.headers)
        assert answer.status_code == 202, answer.text
        jobs.append(UUID(answer.json()["job_id"]))
    return jobs


@pytest.mark.parametrize("slots", [1, 3])
async def test_projects_take_turns(
    client: httpx.AsyncClient, database: Database, user_factory: UserFactory, slots: int
) -> None:
    many, one = await user_factory(), await user_factory()
    first = await queue(client, many, 20)
    last = (await queue(client, one, 2))[0]
    begun: list[UUID] = []
    running: list[UUID] = []
    # The broker hands them out in the order in which they came.
    for job_id in first:
        job = await runner._claim(job_id, database, LEASE)
        assert job is not None
        begun.append(job.id)
        running.append(job.id)
        if last in begun:
            break
        if len(running) == slots:
            async with database.transaction() as session:
                ended = await session.get(Job, running.pop(0))
                assert ended is not None
                ended.state = "succeeded"
    assert last in begun
    # At once with the first free worker, whatever was queued before.
    assert begun.index(last) == 1
    async with database.transaction() as session:
        states = (await session.execute(select(Job.state).where(Job.id.in_(first)))).scalars().all()
    assert states.count("queued") == 19


async def test_a_turn_that_came_too_late_goes_to_who_waits(
    client: httpx.AsyncClient, database: Database, user_factory: UserFactory
) -> None:
    """Another's message began it: its own message then begins the other's."""
    many, one = await user_factory(), await user_factory()
    first, second = await queue(client, many, 2)
    [third] = await queue(client, one, 1)
    begun = [await runner._claim(job_id, database, LEASE) for job_id in (first, second, third)]
    assert [job.id for job in begun if job is not None] == [first, third, second]
    assert await runner._claim(third, database, LEASE) is None


async def test_turns_at_once_are_jobs_of_their_own(
    client: httpx.AsyncClient, database: Database, user_factory: UserFactory
) -> None:
    """All of them see the same one as the fairest; none goes away with nothing."""
    jobs = await queue(client, await user_factory(), 12)
    begun = await asyncio.gather(*(runner._claim(job_id, database, LEASE) for job_id in jobs))
    assert {job.id for job in begun if job is not None} == set(jobs)
