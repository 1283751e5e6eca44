"""Sources, builds and apps that go wrong or mean ill: a clear reason, and nothing half-made left."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from backend.utils.crypto import edge_check
from tests.stack.scenes import (
    Case,
    Fresh,
    held,
    nothing_left,
    order,
    served,
    serves_nothing,
    serves_once,
    soon_and_still,
)
from tests.support.customer import Customer
from tests.support.gates import App, GatedGit
from tests.support.gitserver import LINK, Behaviour
from tests.support.stack import Stack, until


async def fails(
    stack: Stack, customer: Customer, case: Case, code: str, *words: str, seconds: float = 120
) -> None:
    """It failed with this code and a reason that holds `words`, says so everywhere, and left nothing."""
    job = await customer.finished(case.job_id, seconds)
    deployment = await customer.deployment(case.deployment_id)
    assert (job["state"], deployment["state"]) == ("failed", "failed"), (case.name, job)
    assert (job["error"]["code"], deployment["reason_code"]) == (code, code), (case.name, job)
    reason = deployment["reason"]
    assert reason == job["error"]["message"]
    for word in words:
        assert word in reason, (case.name, reason)
    # In our own words there is nothing of how the server is laid out; the app's may follow.
    ours = reason.partition("\nIts last lines:")[0]
    assert str(stack.layout.root.parent) not in ours
    assert "Traceback" not in ours
    assert await customer.log_text(case.deployment_id)
    assert [step["state"] for step in deployment["steps"]].count("active") == 0
    service = await customer.service(case.service_id)
    assert (service["status"], service["status_reason"]) == ("failed", reason)
    assert (service["live_deployment"], service["active_job_id"]) == (None, None)
    await nothing_left(stack, case)


async def ordered(customer: Customer, git: GatedGit, name: str, *, branch: str | None = None) -> Case:
    accepted = await customer.order(name, git.url(name), branch=branch)
    return Case(name, git.app("", name), accepted)


SOURCES: dict[str, tuple[Callable[[GatedGit, str], Any], str, str]] = {
    "no such repository": (lambda git, name: None, "source_not_found", "no git repository"),
    "a password is asked for": (
        lambda git, name: git.behave(name, Behaviour.ASK_PASSWORD),
        *("source_auth_required", "password"),
    ),
    "not permitted": (
        lambda git, name: git.behave(name, Behaviour.FORBID),
        *("source_auth_required", "private"),
    ),
    "a web page": (lambda git, name: git.behave(name, Behaviour.WEB_PAGE), "source_not_found", "web page"),
    "an empty repository": (lambda git, name: git.empty(name), "source_empty", "empty"),
    "a commit without files": (lambda git, name: git.commit(name, {}), "source_empty", "no files"),
    "nothing that can be run": (
        lambda git, name: git.commit(name, {"README.md": "hello"}),
        *("app_unrecognised", "Procfile"),
    ),
    "a Procfile without web": (
        lambda git, name: git.commit(name, {"Procfile": "worker: python3 x.py\n"}),
        *("app_unrecognised", "web"),
    ),
    "a broken package.json": (
        lambda git, name: git.commit(name, {"package.json": "{"}),
        *("app_unrecognised", "JSON"),
    ),
    "links that lead out": (
        lambda git, name: git.commit(
            name, {"README.md": "hello", "index.html": (LINK, "/etc/passwd"), "public": (LINK, "../../..")}
        ),
        *("app_unrecognised", "Procfile"),
    ),
    "too large": (
        lambda git, name: git.commit(name, {"index.html": os.urandom(5 * 2**20)}),
        *("source_too_large", "larger than"),
    ),
    "a redirect to an internal address": (
        lambda git, name: git.behave(name, "http://127.0.0.1:22/internal.git"),
        *("source_forbidden", "internal address"),
    ),
    "a redirect to another spelling of it": (
        lambda git, name: git.behave(name, "http://0x7f000001:22/internal.git"),
        *("source_forbidden", "internal"),
    ),
    "a redirect to the cloud's metadata": (
        lambda git, name: git.behave(name, "http://169.254.169.254/latest/meta-data"),
        *("source_forbidden", "internal"),
    ),
    "a redirect to a file": (
        lambda git, name: git.behave(name, "file:///etc/passwd"),
        *("source_forbidden", "https://"),
    ),
    "a redirect to itself": (
        lambda git, name: git.behave(name, git.url(name)),
        *("source_unreachable", "redirects"),
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_sources(stack: Stack, customer: Customer, fresh: Fresh, kind: str) -> None:
    prepare, code, word = SOURCES[kind]
    name = fresh("source")
    prepare(stack.git, name)
    await fails(stack, customer, await ordered(customer, stack.git, name), code, word)


async def test_a_missing_branch(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    name = fresh("branch")
    stack.git.commit(name, {"index.html": "hello"}, branch="main")
    case = await ordered(customer, stack.git, name, branch="none-such")
    await fails(stack, customer, case, "source_branch_missing", "none-such")


class TestBuilds:
    async def test_one_that_fails(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        name = fresh("build")
        app = stack.git.app("", name).building("sys.exit('the rope broke')")
        case = await order(stack, customer, app, name)
        await fails(stack, customer, case, "build_failed", "requirements.txt")
        assert "the rope broke" in await customer.log_text(case.deployment_id)

    async def test_one_that_fills_the_disk(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        name = fresh("flood")
        code = "[open(f'flood-{n}', 'wb').write(os.urandom(2**20)) for n in range(10**6)]"
        case = await order(stack, customer, stack.git.app("", name).building(code), name)
        await fails(stack, customer, case, "build_too_large", "64.0 MiB")

    async def test_one_that_writes_one_huge_file(
        self, stack: Stack, customer: Customer, fresh: Fresh
    ) -> None:
        name = fresh("huge")
        code = "[open('huge', 'ab').write(bytes(2**20)) for n in range(10**6)]"
        case = await order(stack, customer, stack.git.app("", name).building(code), name)
        job = await customer.finished(case.job_id)
        assert job["error"]["code"] in ("build_too_large", "build_failed")
        await fails(stack, customer, case, job["error"]["code"])

    async def test_one_that_floods_the_log(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        name = fresh("chatter")
        code = (
            "[print(f'line {n} ' + 'x' * 5000, file=sys.stderr) for n in range(20_000)]; sys.exit('the end')"
        )
        case = await order(stack, customer, stack.git.app("", name).building(code), name)
        await fails(stack, customer, case, "build_failed")
        lines = await customer.log_lines(case.deployment_id)
        assert len(lines) <= 10_000
        assert max(len(line["text"]) for line in lines) <= 2000
        assert any("the end" in line["text"] for line in lines[-70:])

    async def test_one_that_leaves_a_process_behind(
        self, stack: Stack, customer: Customer, fresh: Fresh
    ) -> None:
        name = fresh("behind")
        code = (
            "__import__('subprocess').Popen(['sleep', '1000'], start_new_session=True, stdout=-3, stderr=-3)"
        )
        case = await order(stack, customer, stack.git.app("hello", name).building(code), name)
        await customer.live(case.accepted)
        marks = stack.marked(case.deployment_id)
        assert all(" GAVAN_WORK=unit:" in mark for mark in marks), marks


class TestApps:
    async def test_one_that_ends_at_once(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        name = fresh("short")
        app = replace(stack.git.app("", name), before="print('no rope on board'); sys.exit(3)")
        case = await order(stack, customer, app, name)
        await fails(stack, customer, case, "unit_exited", "exit status 3", "no rope on board")

    async def test_one_whose_command_is_unknown(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        name = fresh("unknown")
        stack.git.commit(name, {"Procfile": "web: no-such-program --port $PORT\n"})
        case = await ordered(customer, stack.git, name)
        await fails(stack, customer, case, "unit_exited", "not found")

    async def test_one_that_takes_too_much_memory(
        self, stack: Stack, customer: Customer, fresh: Fresh
    ) -> None:
        name = fresh("greedy")
        app = replace(stack.git.app("", name), before="x = bytearray(2**31)")
        case = await order(stack, customer, app, name)
        await fails(stack, customer, case, "unit_exited", "MemoryError")

    async def test_one_that_listens_late(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        case = await held(stack, customer, "checking", fresh("late"))
        await asyncio.sleep(2)
        assert (await customer.service(case.service_id))["status"] == "pending"
        stack.git.open(case.gate)
        await customer.live(case.accepted)
        await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves")

    async def test_a_broken_one_leaves_the_old_serving(
        self, stack: Stack, customer: Customer, fresh: Fresh
    ) -> None:
        old = await served(stack, customer, fresh("steady"))
        broken = {
            "build_failed": stack.git.app("", f"{old.name}-1").building("sys.exit(1)"),
            "unit_exited": replace(stack.git.app("", f"{old.name}-2"), before="sys.exit(1)"),
        }
        for code, app in broken.items():
            stack.git.commit(old.name, app.files)
            accepted = await customer.deploy(old.service_id)
            job = await customer.finished(accepted["job_id"])
            assert (job["state"], job["error"]["code"]) == ("failed", code)
            assert await serves_once(stack, customer, old)
            assert stack.belongings(accepted["deployment_id"], logs=False) == []
        fixed = stack.git.app("repaired", f"{old.name}-3")
        stack.git.commit(old.name, fixed.files)
        new = Case(old.name, fixed, await customer.deploy(old.service_id))
        await customer.live(new.accepted)
        await soon_and_still(stack, [partial(serves_once, stack, customer, new)], "the repaired one serves")

    async def test_one_that_dies_after_a_while(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        """It ends, and does not come up again: crashed, with the reason; a repair is the way back."""
        name, gate = fresh("dying"), fresh("gate")
        first_life = "os.path.join(os.environ['HOME'], 'lived')"
        dying = (
            f"import threading\nif os.path.exists({first_life}): print('second life'); sys.exit(7)\n"
            f"open({first_life}, 'w').close()\n"
            f"threading.Thread(target=lambda: (wait({stack.git.gate_url(gate)!r}), os._exit(7))).start()"
        )
        case = await order(stack, customer, replace(stack.git.app("alive", name), before=dying), name)
        await customer.live(case.accepted)
        assert (await stack.visit(name)).text == "alive"
        stack.git.open(gate)
        service = await customer.has_status(case.service_id, "crashed")
        assert "exit status 7" in service["status_reason"]
        assert (await stack.visit(name)).status_code in (502, 503)
        assert (await customer.deployment(case.deployment_id))["state"] == "live"

        async def told() -> bool:
            log = await customer.get(f"/services/{case.service_id}/log")
            return any("second life" in line["text"] for line in log["lines"])

        await until(told, 30, "its last words are in its log")
        fixed = stack.git.app("repaired", f"{name}-fixed")
        stack.git.commit(name, fixed.files)
        new = Case(name, fixed, await customer.deploy(case.service_id))
        await customer.live(new.accepted)
        await soon_and_still(stack, [partial(serves_once, stack, customer, new)], "the repaired one serves")


async def test_who_answered_is_told_to_the_panel_only(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """An app cannot say that it is another one, and is not told that it is asked for a check."""
    name, header = fresh("liar"), "X-Gavan-Answered-By"
    lie = (
        "seen = []\nplain = Page.end_headers\n"
        f"Page.end_headers = lambda self: (self.send_header({header!r}, '127.0.0.1:1'), plain(self))\n"
        "get = Page.do_GET\n"
        "Page.do_GET = lambda self: (seen.append('X-Gavan-Check' in self.headers), print(seen), get(self))"
    )
    case = await order(stack, customer, replace(stack.git.app("hello", name), before=lie), name)
    await customer.live(case.accepted)
    (address,) = await stack.rows("SELECT address FROM deployments WHERE id = $1", UUID(case.deployment_id))
    async with httpx.AsyncClient(
        trust_env=False, headers={"Host": f"{name}.localhost:{stack.port}"}
    ) as client:
        for said in ({}, {"X-Gavan-Check": "1"}):
            assert header not in (await client.get(stack.instance, headers=said)).headers
        check = edge_check(base64.b64decode(stack.env["SECRET_KEY"]))
        asked = await client.get(stack.instance, headers={"X-Gavan-Check": check})
        assert asked.headers.get_list(header) == [address["address"]]
    assert "True" not in str(await customer.get(f"/services/{case.service_id}/log"))


async def test_what_takes_its_time_to_fail(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """Time-outs and what is tried again with pauses, side by side since each takes most of a minute."""
    git = stack.git

    def app(name: str, **changes: str) -> App:
        return replace(git.app("", name), **changes)

    async def source(code: str, word: str, behaviour: Behaviour) -> None:
        name = fresh("slow")
        git.behave(name, behaviour)
        await fails(stack, customer, await ordered(customer, git, name), code, word, seconds=240)

    async def refused_connection() -> None:
        accepted = await customer.order(name := fresh("nobody"), f"http://{git.address}/{name}.git")
        case = Case(name, git.app("", name), accepted)
        await fails(stack, customer, case, "source_not_found", "no git repository", seconds=240)

    async def running(code: str, word: str, build: str | None = None, **changes: str) -> None:
        name = fresh("slow")
        case = await order(stack, customer, app(name, build=build, **changes), name)
        await fails(stack, customer, case, code, word, seconds=240)

    elsewhere = (
        "s = __import__('socket').create_server(('127.0.0.1', 0)); print(s.getsockname()); time.sleep(600)"
    )
    angry = "Page.do_GET = lambda self: (self.send_response(500), self.end_headers())"
    await asyncio.gather(
        source("source_timeout", "20 seconds", Behaviour.HANG),
        source("source_unreachable", "503", Behaviour.BREAK),
        refused_connection(),
        running("build_timeout", "60 seconds", build="__import__('time').sleep(600)"),
        running("unit_not_listening", "PORT", before="time.sleep(600)"),
        running("unit_not_listening", "listens on", before=elsewhere),
        running("health_failed", "it answers 500", before=angry),
    )


async def test_a_host_that_does_not_exist(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    name = fresh("nowhere")
    accepted = await customer.order(name, f"https://{name}.example.org/app.git")
    case = Case(name, stack.git.app("", name), accepted)
    await fails(stack, customer, case, "source_unreachable", f"{name}.example.org", seconds=240)
    assert await serves_nothing(stack, customer, case)


async def test_values_of_any_characters_arrive_unchanged(
    stack: Stack, customer: Customer, fresh: Fresh
) -> None:
    values = {
        "EMPTY": "",
        "QUOTES": "\"'`\\ $HOME $(id) `id` %(here)s %d ; & | < > # !",
        "LINES": "one\ntwo\r\nthree\t\x01\x7f",
        "WORDS": "Привет, мир. 日本語 \U0001f6a2 e\u0301",
        "LONG": "x" * 32_000,
        "_": "underscore",
        "lower_1": "ok",
    }
    name = fresh("env")
    show = "import json; Page.do_GET.__globals__['shown'] = json.dumps(dict(os.environ)).encode()"
    page = (
        f"{show}\nPage.do_GET = lambda self: (self.send_response(200),"
        " self.send_header('Content-Length', str(len(shown))), self.end_headers(), self.wfile.write(shown))"
    )
    case = await order_with(stack, customer, replace(stack.git.app("", name), before=page), name, values)
    await customer.live(case.accepted)
    environment = (await stack.visit(name)).json()
    # The shell that a start command may need sets this one itself.
    expected = {key: value for key, value in values.items() if key != "_"}
    assert {key: environment.get(key) for key in expected} == expected
    assert environment["PORT"].isdigit()
    assert not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ENGINE_SECRET"} & set(environment)


async def order_with(
    stack: Stack, customer: Customer, app: App, name: str, variables: dict[str, str]
) -> Case:
    stack.git.commit(name, app.files)
    return Case(name, app, await customer.order(name, stack.git.url(name), variables=variables))
