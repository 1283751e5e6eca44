"""The whole API document, fuzzed by schemathesis with all its checks, as an administrator and as a customer.

Each answer has a documented status, type and shape, nonsense is refused, what is deleted is gone,
and nothing fails on our side. Cases are bounded and the same in every run. To look at one operation:

    make test ARGS='tests/api/test_fuzz.py -k customer' FUZZ='--include-operation-id services_list'
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI

from backend.config import Settings
from tests.api.operations import PUBLIC, Operation
from tests.support.people import Person, UserFactory
from tests.support.streams import Impatient

CASES = 2
"""Of random data for each operation, beside those that are derived from the document."""
PARTS = range(3)
"""Each fuzzes its share of the operations in one process, so that a machine's cores share the work."""
SEED = 20261122
EVERYTHING_AT_ONCE = "1000000/second"

CONFIG = """
continue-on-failure = true
workers = 1

[generation]
max-examples = {cases}
deterministic = true
database = "none"
no-shrink = true

[phases.stateful]
enabled = false

# Data that fits the schema may still be refused by a rule of the house: a cursor of another list, a plan
# that is not sold, a password that everybody has. Each of these is documented.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429", "503"]

# Whatever is asked there, a person's browser is sent on to a page that explains.
[[operations]]
include-operation-id = "oauth_authorize"
checks.negative_data_rejection.enabled = false

[warnings]
enabled = false

[dictionaries]
{dictionaries}

[parameters]
{parameters}
"""


@pytest.fixture
def settings(settings_of) -> Settings:  # type: ignore[no-untyped-def]
    """Limits on attempts would hide what is behind them."""
    rates = ("login_rate_per_address", "registration_rate_per_address", "code_rate_per_subject")
    rates += ("code_rate_per_address", "invitation_rate_per_user")
    rates += ("hook_rate_per_address", "hook_rate_per_service")
    return settings_of(
        guess_free_tries=1_000_000,
        guess_free_tries_anywhere=1_000_000,
        **dict.fromkeys(rates, EVERYTHING_AT_ONCE),
    )


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    # With the protocol named, asyncio sets TCP_NODELAY; without, each answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(Impatient(app), lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def fuzz(
    app: FastAPI, whole: list[Operation], part: int, person: Person, known: dict[str, str], directory: Path
) -> str | None:
    """What schemathesis found, if it found anything. `known` are ids that exist, by the names in paths."""
    ids = [operation.id for operation in whole][part :: len(PARTS)]
    share = chain.from_iterable(("--include-operation-id", id) for id in ids)
    config, document = directory / "schemathesis.toml", directory / "openapi.json"
    document.write_bytes(orjson.dumps(app.openapi()))
    config.write_text(
        CONFIG.format(
            cases=CASES,
            dictionaries="\n".join(f'{name} = {{ values = ["{value}"] }}' for name, value in known.items()),
            parameters="\n".join(f'"path.{name}" = {{ dictionary = "{name}" }}' for name in known),
        )
    )
    async with served(app) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", str(document), "--url", url, "--seed", str(SEED), "--no-color"),
            *("--header", f"Authorization: Bearer {person.access_token}", "--request-timeout", "20"),
            *(shlex.split(os.environ.get("FUZZ", "")) or share),
            cwd=directory,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        async with httpx.AsyncClient(base_url=url, headers=person.headers) as client:
            still = (await client.get("/api/v1/me")).status_code
    # Whoever was signed out on the way was refused from then on.
    assert still == 200, "one of the operations ended the session it was asked by"
    return None if process.returncode == 0 else out.decode(errors="replace")


@pytest.mark.parametrize("part", PARTS)
async def test_as_an_administrator(
    app: FastAPI, walk: list[Operation], user_factory: UserFactory, tmp_path: Path, part: int
) -> None:
    admin = await user_factory(roles=("user", "admin"))
    found = await fuzz(app, walk, part, admin, {}, tmp_path)
    assert found is None, found


@pytest.mark.parametrize("part", PARTS)
async def test_as_a_customer(
    app: FastAPI,
    walk: list[Operation],
    owner: Person,
    objects: dict[str, str],
    tmp_path: Path,
    part: int,
) -> None:
    """Whose things exist, so that what is behind a 404 is asked too."""
    whole = [operation for operation in walk if operation.id not in PUBLIC and not operation.is_admin]
    found = await fuzz(app, whole, part, owner, objects, tmp_path)
    assert found is None, found
