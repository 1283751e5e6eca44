"""A pull request becomes a preview that visitors see, follows its pushes, and goes when it is closed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.hooks import senders
from tests.hooks.pull_senders import Told, gitea
from tests.stack.scenes import Fresh, served
from tests.support.customer import Customer
from tests.support.stack import Stack, until


async def test_from_opening_to_closing(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    name = fresh("reviewed")
    case = await served(stack, customer, name)
    path = f"/services/{case.service_id}"
    made = (await customer.ask("POST", f"{path}/push/secret")).json()
    answer = await customer.ask("PATCH", f"{path}/previews/settings", json={"enabled": True})
    assert answer.status_code == 200, answer.text
    statuses = {"enabled": True, "forge": "gitea", "token": "tok_of_a_forge"}
    answer = await customer.ask("PATCH", f"{path}/commit-status", json=statuses)
    assert answer.status_code == 200, answer.text
    told = Told(number=7, repository=urlsplit(stack.git.url(name)).path.strip("/").removesuffix(".git"))

    async def tell(told: Told) -> dict[str, Any]:
        headers, content = senders.from_gitea(made["secret"], gitea(told), event="pull_request")
        headers["Host"] = f"localhost:{stack.port}"
        async with httpx.AsyncClient(base_url=stack.instance, trust_env=False) as outside:
            answer = await outside.post(urlsplit(made["url"]).path, content=content, headers=headers)
        assert answer.status_code == 202, answer.text
        said: dict[str, Any] = answer.json()
        return said

    first = stack.git.commit(name, {"index.html": "as proposed"}, branch="tides")
    deployment = await customer.live(await tell(told.but(commit=first)))
    assert (deployment["commit"], deployment["trigger"]) == (first, "preview")
    preview = f"{name}-pr-7"
    assert (await stack.visit(preview)).text == "as proposed"
    assert (await stack.visit(name)).text == f"page of {name}"

    # The git server is no more than that, and has no API to tell anything.
    async def refused() -> bool:
        last = (await customer.get(f"{path}/commit-status"))["last"]
        return bool(last and last["said"] == "success" and last["delivery"] == "dead")

    await until(refused, 60, "the forge was told, and did not listen")
    last = (await customer.get(f"{path}/commit-status"))["last"]
    assert (last["context"], last["commit"]) == (f"gavan/{name}/preview", first)
    assert last["error_code"] == "repository_unknown"

    second = stack.git.commit(name, {"index.html": "as mended"}, branch="tides")
    await customer.live(await tell(told.but(action="synchronize", commit=second, minute=1)))
    assert (await stack.visit(preview)).text == "as mended"

    closed = told.but(action="closed", commit=second, merged=True, minute=2)
    assert (await tell(closed))["outcome"] == "removed"
    preview_id = deployment["service_id"]

    async def gone() -> bool:
        return (await customer.ask("GET", f"/services/{preview_id}")).status_code == 404

    await until(gone, 60, "the preview is gone")
    (request,) = (await customer.get(f"{path}/previews"))["items"]
    assert (request["state"], request["preview"]) == ("closed", None)
    assert (await stack.visit(name)).text == f"page of {name}"
