"""The example scripts of `openapi/examples/`, as a customer runs them."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path

import pytest

from tests.stack.scenes import Fresh
from tests.support.customer import PASSWORD
from tests.support.stack import ROOT, Stack

SCRIPTS = {
    "sh": ["sh", str(ROOT / "openapi" / "examples" / "deploy.sh")],
    "py": [sys.executable, str(ROOT / "openapi" / "examples" / "deploy.py")],
}


async def run(stack: Stack, script: str, *arguments: str, email: str, password: str = PASSWORD):  # type: ignore[no-untyped-def]
    """(exit status, stdout, stderr) of a script against the installation."""
    process = await asyncio.create_subprocess_exec(
        *(*SCRIPTS[script], *arguments),
        env={
            "PATH": os.environ["PATH"],
            "GAVAN_URL": f"http://localhost:{stack.port}",
            "GAVAN_EMAIL": email,
            "GAVAN_PASSWORD": password,
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
    """Somebody who is not registered yet, and whose services are deleted afterwards."""
    address = f"{uuid.uuid4().hex}@example.com"
    yield address
    customer = await stack.customer(address, PASSWORD)
    await customer.delete_everything()
    await customer.close()


@pytest.mark.parametrize("script", SCRIPTS)
async def test_deploys(stack: Stack, fresh: Fresh, email: str, script: str) -> None:
    name = fresh("script")
    stack.git.commit(name, {"index.html": "the wrong branch"})
    stack.git.commit(name, {"index.html": f"by {script}"}, branch="next")
    branch = ["next"] if script == "sh" else ["--branch", "next"]
    status, out, err = await run(stack, script, name, stack.git.url(name), *branch, email=email)
    assert (status, err) == (0, ""), out
    assert out.splitlines()[-1] == f"http://{name}.localhost:{stack.port}"
    assert (await stack.visit(name)).text == f"by {script}"


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
    assert err


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


def test_the_shell_script_is_plain() -> None:
    text = Path(SCRIPTS["sh"][1]).read_text()
    assert "jq" not in text
    assert text.startswith("#!/bin/sh\n")
