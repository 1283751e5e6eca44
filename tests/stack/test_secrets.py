"""A customer's variables, and passwords and tokens: nowhere but where they have to be.

The one exception is the app's own: if it prints a value, that stands in the file that its supervisor
writes (`engine/logs/<service>/…`), closed to other users; whoever reads it through the API sees it cut out.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from redis.asyncio import Redis

from embedded import processes
from tests.stack.scenes import Case, Fresh
from tests.support.customer import Customer
from tests.support.stack import Stack, until


class Hunt:
    """Values, in every spelling in which they might be written somewhere, and where they were found."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.needles = {
            spelling: name for name, value in values.items() for spelling in self._spellings(value)
        }
        self.found: list[str] = []

    @staticmethod
    def _spellings(value: str) -> set[bytes]:
        raw = value.encode()
        return {
            raw,
            base64.b64encode(raw).rstrip(b"=")[:-1],
            base64.urlsafe_b64encode(raw).rstrip(b"=")[:-1],
            raw.hex().encode(),
            quote(value, safe="").encode(),
            json.dumps(value)[1:-1].encode(),
            repr(value)[1:-1].encode(),
        }

    def look(self, where: str, content: bytes | str) -> None:
        raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
        self.found += [f"{name} in {where}" for needle, name in self.needles.items() if needle in raw]


def test_the_hunt_finds() -> None:
    for text in (b"x=a secret/", b"YSBzZWNyZXQv", b"a%20secret%2F", b"61207365637265742f"):
        hunt = Hunt(password="a secret/")
        hunt.look("here", b"before " + text + b" after")
        assert hunt.found, text


@asynccontextmanager
async def redis_watched(stack: Stack, hunt: Hunt) -> AsyncIterator[None]:
    """Every command that Redis is given meanwhile, and all that it holds at the end."""
    redis = Redis.from_url(stack.env["REDIS_URL"])
    seen = 0

    async def listen() -> None:
        nonlocal seen
        async with redis.monitor() as monitor:
            async for command in monitor.listen():
                seen += 1
                hunt.look(f"a command to Redis: {command['command'][:60]}", command["command"])

    listening = asyncio.create_task(listen())
    await until(lambda: seen, 20, "Redis is watched")
    yield
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    async for key in redis.scan_iter():
        hunt.look(f"Redis key {key!r}", key + (await redis.dump(key) or b""))
    assert seen > 20
    await redis.aclose()


async def look_at_database(stack: Stack, hunt: Hunt) -> None:
    tables = await stack.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 12
    for table in tables:
        name = table["tablename"]
        for row in await stack.rows(f'SELECT t::text AS row FROM "{name}" t'):
            hunt.look(f"table {name}", row["row"])
    for row in await stack.rows("SELECT query FROM pg_stat_activity"):
        hunt.look("pg_stat_activity", row["query"] or "")


def look_at_files(stack: Stack, hunt: Hunt) -> int:
    """All below the installation, the database's own files and write-ahead log among them."""
    looked = 0
    logs = stack.layout.engine / "logs"
    for path in stack.layout.root.parent.rglob("*"):
        if path.is_file() and not path.is_symlink() and logs not in path.parents:
            with contextlib.suppress(FileNotFoundError):
                hunt.look(str(path), path.read_bytes())
                looked += 1
    return looked


def look_at_processes(hunt: Hunt, deployment: str) -> int:
    """Command lines of all, and environments of all but the app's; how many processes of the app hold it."""
    holders = 0
    for process in processes.everything():
        for name in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{process.pid}/{name}").read_bytes()
            except OSError:
                continue
            if name == "environ" and f"GAVAN_WORK=unit:{deployment}".encode() in content:
                holders += any(needle in content for needle in hunt.needles)
            elif b"PYTEST_CURRENT_TEST" not in content:
                hunt.look(f"{name} of process {process.pid}", content)
    return holders


def listening_customer(customer: Customer, hunt: Hunt, allowed: set[str]) -> None:
    """Look at each answer, head and body; `allowed` are paths which may hold a token."""

    async def look(answer: httpx.Response) -> None:
        hunt.look(f"the headers of {answer.request.url.path}", repr(answer.headers.raw))
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return
        await answer.aread()
        if answer.request.url.path not in allowed:
            hunt.look(f"the answer to {answer.request.method} {answer.request.url.path}", answer.content)

    customer.http.event_hooks["response"].append(look)


async def stream(customer: Customer, path: str, *, until_text: str) -> str:
    """What a stream of server-sent events gives, up to a text."""
    text = ""
    async with asyncio.timeout(30), customer.http.stream("GET", f"/api/v1{path}") as answer:
        async for piece in answer.aiter_text():
            text += piece
            if until_text in text:
                break
    return text


async def test_variables_of_a_service(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    hunt = Hunt(
        plain=f"tok_{secrets.token_hex(16)}",
        spaced=f'a "quoted" väl/ue {secrets.token_urlsafe(12)} % $HOME',
        second=f"later_{secrets.token_hex(16)}",
        refused=f"refused_{secrets.token_hex(16)}",
    )
    lines = f"-----BEGIN KEY-----\n{secrets.token_hex(20)}\n-----END KEY-----"
    hunt.needles |= {lines.splitlines()[1].encode(): "a line of a key"}
    variables = {"PLAIN": hunt.values["plain"], "SPACED": hunt.values["spaced"], "KEY": lines}
    listening_customer(customer, hunt, set())
    name = fresh("hush")
    printing = "print('I know', *os.environ.values(), flush=True)"
    app = replace(stack.git.app("hello", name), before=printing)
    # A build is not given the variables; one that knows a value from elsewhere has it in two halves here.
    half = len(hunt.values["plain"]) // 2
    told = [hunt.values["plain"][:half], hunt.values["plain"][half:]]
    telling = app.building(f"sys.exit('the build says ' + ''.join({told!r}))")
    async with redis_watched(stack, hunt):
        # An order that is refused, and one that is taken.
        wrong = {**variables, "1WRONG": hunt.values["refused"]}
        body = customer.order_body(name, stack.git.url(name), variables=wrong)
        assert (await customer.ask("POST", "/orders", json=body)).status_code == 422
        stack.git.commit(name, app.files)
        accepted = await customer.order(name, stack.git.url(name), variables=variables)
        case = Case(name, app, accepted)
        await customer.live(accepted)

        async def printed() -> bool:
            log = await customer.get(f"/services/{case.service_id}/log")
            return any(line["text"].startswith("I know") for line in log["lines"])

        await until(printed, 30, "the app printed its variables")
        assert look_at_processes(hunt, case.deployment_id) >= 1

        stack.git.commit(name, telling.files)
        failed = await customer.deploy(case.service_id)
        assert (await customer.finished(failed["job_id"]))["error"]["code"] == "build_failed"
        assert "the build says •••" in await customer.log_text(failed["deployment_id"])

        # New values: the old ones still run, and print when they end; then a release that fails and prints.
        path = f"/services/{case.service_id}"
        changed = {"PLAIN": hunt.values["second"], "SPACED": None, "KEY": None}
        answer = await customer.ask("PUT", f"{path}/variables", json={"variables": changed})
        assert answer.status_code == 200
        restarted = await customer.post(f"{path}/restart")
        await customer.finished(restarted["job_id"])
        dying = replace(app, before=f"{printing}; sys.exit(5)")
        stack.git.commit(name, dying.files)
        failed = await customer.deploy(case.service_id)
        job = await customer.finished(failed["job_id"])
        assert job["error"]["code"] == "unit_exited"
        assert "I know" in job["error"]["message"]
        assert "•••" in job["error"]["message"]
        for found in (
            await stream(customer, f"{path}/log/stream", until_text="I know"),
            await stream(customer, f"/deployments/{failed['deployment_id']}/log/stream", until_text="end"),
            await stream(customer, f"/jobs/{failed['job_id']}/events", until_text="end"),
        ):
            hunt.look("a stream", found)
        for read in ("", "/variables", "/deployments", "/log"):
            await customer.get(path + read)
        await customer.jobs_of(case.service_id)
        await customer.get("/orders")
        await look_at_database(stack, hunt)
        look_at_processes(hunt, case.deployment_id)
    assert look_at_files(stack, hunt) > 300
    raw = "".join(file.read_text() for file in (stack.layout.engine / "logs" / case.service_id).iterdir())
    # The exception, and with it the proof that the app did print what was hunted.
    assert hunt.values["plain"] in raw
    assert hunt.values["second"] in raw
    assert {path.stat().st_mode & 0o077 for path in (stack.layout.engine / "logs").iterdir()} == {0}
    assert hunt.found == []

    # Of a deleted service not even that is left.
    await customer.delete(case.service_id)
    assert not (stack.layout.engine / "logs" / case.service_id).exists()
    assert look_at_processes(hunt, "none") == 0
    assert hunt.found == []


async def test_passwords_and_tokens(stack: Stack) -> None:
    password, wrong = f"pass {secrets.token_urlsafe(16)}", f"wrong {secrets.token_urlsafe(16)}"
    hunt = Hunt(password=password, wrong=wrong)
    customer = Customer(stack.instance, stack.port)
    listening_customer(customer, hunt, set())
    email = f"{uuid.uuid4().hex}@example.com"
    async with redis_watched(stack, hunt):
        registration = {"email": email, "password": password}
        assert (await customer.ask("POST", "/users", json=registration)).status_code == 202
        assert (await customer.ask("POST", "/users", json=registration)).status_code == 202
        assert (await customer.ask("POST", "/users", json={"email": 5, "password": wrong})).status_code == 422
        form = {"grant_type": "password", "client_id": "cli", "username": email, "password": wrong}
        assert (await customer.http.post("/oauth/token", data=form)).status_code == 400
        answer = await customer.http.post("/oauth/token", data=form | {"password": password})
        tokens = answer.json()
        for name in ("access_token", "refresh_token"):
            hunt.needles[tokens[name].encode()] = name
        renewal = {"grant_type": "refresh_token", "client_id": "cli"}
        answer = await customer.http.post("/oauth/token", data=renewal | tokens_of(tokens))
        hunt.needles[answer.json()["access_token"].encode()] = "renewed access token"
        customer.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        await customer.get("/me")
        await customer.http.post("/oauth/token", data=renewal | tokens_of(tokens))
        ending = {"client_id": "cli", "token": answer.json()["refresh_token"]}
        assert (await customer.http.post("/oauth/revoke", data=ending)).status_code == 200
        await look_at_database(stack, hunt)
    assert look_at_files(stack, hunt) > 100
    assert [where for where in hunt.found if "the answer to POST /oauth/token" not in where] == []
    await customer.close()


def tokens_of(answer: dict[str, str]) -> dict[str, str]:
    return {"refresh_token": answer["refresh_token"]}


@pytest.mark.parametrize("part", ["postgres", "redis"])
async def test_what_goes_wrong_tells_no_secret(
    stack: Stack, customer: Customer, fresh: Fresh, part: str
) -> None:
    """Exceptions quote what they were doing; ours do not quote with what."""
    hunt = Hunt(value=f"tok_{secrets.token_hex(16)}")
    listening_customer(customer, hunt, set())
    name = fresh("wrong")
    stack.git.commit(name, stack.git.app("hello", name).files)
    body = customer.order_body(name, stack.git.url(name), variables={"TOKEN": hunt.values["value"]})
    go_on = stack.pause(part)
    asking = asyncio.create_task(customer.ask("POST", "/orders", json=body))
    await asyncio.sleep(0.3)
    await stack.kill(part, group=False)
    go_on()
    with contextlib.suppress(httpx.HTTPError):
        answer = await asking
        assert answer.status_code in (202, 503), answer.text
    await stack.healthy()
    look_at_files(stack, hunt)
    assert hunt.found == []
