"""A push to a git server, told by a signed webhook, becomes the release that serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.hooks import senders
from tests.stack.scenes import Fresh, served
from tests.support.customer import Customer
from tests.support.stack import Stack, until


@pytest.fixture
async def forge(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody outside, without any token."""
    headers = {"Host": f"localhost:{stack.port}"}
    async with httpx.AsyncClient(base_url=stack.instance, headers=headers, trust_env=False) as client:
        yield client


LOGGED = "/api/v1/deploy-hooks/-"


def page(text: str) -> dict[str, str]:
    return {"index.html": text}


async def test_from_a_push_to_what_visitors_see(
    stack: Stack, customer: Customer, fresh: Fresh, forge: httpx.AsyncClient
) -> None:
    name = fresh("pushed")
    case = await served(stack, customer, name)
    path = f"/services/{case.service_id}/push"
    made = (await customer.ask("POST", f"{path}/secret")).json()
    answer = await customer.ask("PATCH", path, json={"enabled": True, "watch_paths": ["*.html"]})
    assert answer.status_code == 200, answer.text
    first = stack.git.commit(name, page("first push"), message="Первый")
    second = stack.git.commit(name, page("second push"), message="Second")

    async def push(commit: str, file: str) -> dict[str, Any]:
        repository = {"clone_url": stack.git.url(name), "default_branch": "main"}
        commits = [senders.commit(commit, "Первый", file)]
        body = senders.github(after=commit, commits=commits, repository=repository)
        headers, content = senders.from_github(made["secret"], body)
        answer = await forge.post(urlsplit(made["url"]).path, content=content, headers=headers)
        assert answer.status_code == 202, answer.text
        said: dict[str, Any] = answer.json()
        return said

    assert (await push(first, "README.md"))["reason_code"] == "nothing_watched"
    # What was pushed is deployed, although the branch went on.
    deployment = await customer.live(await push(first, "index.html"))
    assert (deployment["commit"], deployment["commit_subject"]) == (first, "Первый")
    assert (deployment["trigger"], deployment["is_live"]) == ("push", True)
    assert (await stack.visit(name)).text == "first push"

    hook = urlsplit((await customer.ask("POST", f"{path}/deploy-hook")).json()["url"]).path
    edge = stack.layout.log / "edge.log"
    # Others call hooks of this installation too, but not now.
    before = edge.read_text().count(LOGGED)
    answer = await forge.post(hook)
    assert answer.status_code == 202, answer.text
    deployment = await customer.live(answer.json())
    assert (deployment["commit"], deployment["trigger"]) == (second, "hook")
    assert (await stack.visit(name)).text == "second push"
    outcomes = [one["outcome"] for one in (await customer.get(f"{path}/deliveries"))["items"]]
    assert outcomes == ["deployed", "deployed", "ignored"]

    spelled = hook.replace("deploy-hooks", "deploy%2Dhooks")
    assert (await forge.post(f"{spelled}x")).status_code == 404
    token = hook.rpartition("/")[2]
    logs = [log for log in stack.layout.log.iterdir() if log.is_file()]
    await until(lambda: edge.read_text().count(LOGGED) >= before + 2, 60, "both calls are logged")
    assert [log.name for log in logs if token in log.read_text(errors="replace")] == []

    await customer.delete(case.service_id)
    for table in ("push_hooks", "hook_deliveries"):
        assert await stack.rows(f"SELECT FROM {table} WHERE service_id = $1", case.service_id) == []
    assert (await forge.post(hook)).status_code == 404


async def test_a_body_that_is_large_or_too_large(
    stack: Stack, customer: Customer, fresh: Fresh, forge: httpx.AsyncClient
) -> None:
    """Forges send more than the panel's other endpoints take."""
    case = await served(stack, customer, fresh("large"))
    made = (await customer.ask("POST", f"/services/{case.service_id}/push/secret")).json()
    address = urlsplit(made["url"]).path
    commits = [senders.commit(senders.AFTER, "x" * 3_000_000)]
    headers, content = senders.from_gitlab(made["secret"], senders.gitlab(commits=commits))
    answer = await forge.post(address, content=content, headers=headers)
    assert (answer.status_code, answer.json()["reason_code"]) == (202, "off")
    answer = await forge.post(address, content=b" " * (25 * 2**20 + 1), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
