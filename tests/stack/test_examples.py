"""The example scripts of `openapi/examples/`, as a customer runs them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.stack.scenes import Fresh
from tests.support.customer import PASSWORD, Customer
from tests.support.stack import ROOT, Stack

SCRIPTS = {
    "sh": ["sh", str(ROOT / "openapi" / "examples" / "deploy.sh")],
    "py": [sys.executable, str(ROOT / "openapi" / "examples" / "deploy.py")],
}


async def run(  # type: ignore[no-untyped-def]
    stack: Stack, script: str, *arguments: str, email: str, password: str = PASSWORD, project: str = ""
):
    """(exit status, stdout, stderr) of a script against the installation."""
    if project and script == "py":
        arguments = (*arguments, "--project", project)
    process = await asyncio.create_subprocess_exec(
        *(*SCRIPTS[script], *arguments),
        env={
            "PATH": os.environ["PATH"],
            "GAVAN_URL": f"http://localhost:{stack.port}",
            "GAVAN_EMAIL": email,
            "GAVAN_PASSWORD": password,
            "GAVAN_PROJECT": project,
        },
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def email(stack: Stack):  # type: ignore[no-untyped-def]
    """Somebody whose services are deleted afterwards."""
    somebody = await stack.customer()
    yield somebody.email
    await somebody.delete_everything()
    await somebody.close()


@pytest.mark.parametrize("script", SCRIPTS)
async def test_deploys(stack: Stack, fresh: Fresh, email: str, script: str) -> None:
    name = fresh("script")
    stack.git.commit(name, {"index.html": "the wrong branch"})
    stack.git.commit(name, {"index.html": f"by {script}"}, branch="next")
    ref = ["next"] if script == "sh" else ["--ref", "next"]
    status, out, err = await run(stack, script, name, stack.git.url(name), *ref, email=email)
    assert (status, err) == (0, ""), out
    assert out.splitlines()[-1] == f"http://{name}.localhost:{stack.port}"
    assert (await stack.visit(name)).text == f"by {script}"


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_newcomer_is_registered_and_told_to_confirm_the_address(
    stack: Stack, fresh: Fresh, script: str
) -> None:
    name, email = fresh("newcomer"), f"{uuid.uuid4().hex}@example.com"
    stack.git.commit(name, {"index.html": "soon"})
    for _ in range(2):
        status, out, err = await run(stack, script, name, stack.git.url(name), email=email)
        assert (status, "Confirm your e-mail address first" in err) == (1, True), (out, err)
    assert await stack.rows("SELECT FROM users WHERE email = $1", email)


@pytest.mark.parametrize("script", SCRIPTS)
async def test_tells_what_went_wrong(stack: Stack, fresh: Fresh, email: str, script: str) -> None:
    name = fresh("script")
    status, out, err = await run(stack, script, name, "http://127.0.0.1:1/a.git", email=email)
    assert (status, "internal address" in err) == (1, True), (out, err)
    stack.git.commit(name, {"README.md": "nothing to run"})
    status, out, err = await run(stack, script, name, stack.git.url(name), email=email)
    assert status == 1
    assert "failed: Nothing was recognised" in err
    status, _, err = await run(stack, script, name, stack.git.url(name), email=email, password="not the one")
    assert status == 1
    assert "password" in err


@pytest.mark.parametrize("script", SCRIPTS)
async def test_deploys_again(stack: Stack, fresh: Fresh, email: str, script: str) -> None:
    """What was set in the panel meanwhile holds: here, the root folder."""
    name = fresh("second")
    for words, root in (("first", ""), ("second", "site/")):
        stack.git.commit(name, {f"{root}index.html": words})
        await stack.rows("UPDATE services SET root = $2 WHERE name = $1", name, root.rstrip("/"))
        status, out, err = await run(stack, script, name, stack.git.url(name), email=email)
        assert (status, err) == (0, ""), out
        assert "null" not in out.splitlines()
        assert out.splitlines()[-1] == f"http://{name}.localhost:{stack.port}"
        assert (await stack.visit(name)).text == words


@pytest.mark.parametrize("script", SCRIPTS)
async def test_says_that_a_name_is_taken_and_a_project_missing(
    stack: Stack, customer: Customer, fresh: Fresh, email: str, script: str
) -> None:
    name = fresh("taken")
    stack.git.commit(name, {"index.html": "mine"})
    url = stack.git.url(name)
    await customer.order(name, url)
    status, out, err = await run(stack, script, name, url, email=email)
    assert (status, "This name is taken" in err) == (1, True), (out, err)
    status, out, err = await run(stack, script, fresh("lost"), url, email=email, project=str(uuid.uuid4()))
    assert (status, "There is no such project" in err) == (1, True), (out, err)


async def test_python_deploys_again_with_variables(stack: Stack, fresh: Fresh, email: str) -> None:
    name = fresh("again")
    app = stack.git.app("first", name)
    show = "Page.do_GET.__globals__['greeting'] = os.environ.get('GREETING', 'none').encode()"
    page = (
        "Page.do_GET = lambda self: (self.send_response(200), self.end_headers(), self.wfile.write(greeting))"
    )
    stack.git.commit(
        name, {**app.files, app.script: app.files[app.script].replace("\nwait(", f"\n{show}\n{page}\nwait(")}
    )
    for greeting in ("Ahoy", "Moin = moin"):
        variable = ["--variable", f"GREETING={greeting}"]
        status, out, err = await run(stack, "py", name, stack.git.url(name), *variable, email=email)
        assert (status, err) == (0, ""), out
        assert greeting not in out
        assert (await stack.visit(name)).text == greeting


@pytest.mark.parametrize("script", SCRIPTS)
async def test_says_how_it_is_used(stack: Stack, script: str) -> None:
    status, out, _ = await run(stack, script, "--help", email="ada@example.com")
    assert status == 0
    assert "usage" in out.lower()
    status, _, err = await run(stack, script, email="ada@example.com")
    assert status == 2
    assert "usage" in err.lower()


def test_python_without_httpx_tells_how_to_install_it() -> None:
    """As a newcomer's own Python: no package is there (`-S`), and the help needs none."""
    bare = [sys.executable, "-I", "-S", SCRIPTS["py"][1]]
    env = {"GAVAN_EMAIL": "ada@example.com", "GAVAN_PASSWORD": PASSWORD}
    helped = subprocess.run([*bare, "--help"], env=env, capture_output=True, text=True, check=False)
    assert (helped.returncode, "GAVAN_EMAIL" in helped.stdout) == (0, True), helped.stderr
    asked = subprocess.run([*bare, "hello", "x"], env=env, capture_output=True, text=True, check=False)
    assert (asked.returncode, "pip install httpx" in asked.stderr) == (1, True), asked.stderr


def test_the_shell_script_is_plain() -> None:
    text = Path(SCRIPTS["sh"][1]).read_text()
    assert "jq" not in text
    assert text.startswith("#!/bin/sh\n")
