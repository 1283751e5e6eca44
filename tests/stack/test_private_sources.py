"""Private repositories on a whole installation: from the order to the app, and the secrets nowhere else."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from embedded import processes
from tests.stack.scenes import Fresh
from tests.stack.test_secrets import (
    Hunt,
    listening_customer,
    look_at_database,
    look_at_files,
    look_at_processes,
    redis_watched,
)
from tests.support.customer import Customer
from tests.support.gitserver import Behaviour
from tests.support.sshgitserver import SshGitServer
from tests.support.stack import Stack, until


def fetches() -> bool:
    return any(b"backend.engines.fetch" in command_line(process.pid) for process in processes.everything())


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_by_token_from_a_folder(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    hunt = Hunt(
        token=f"tok_{secrets.token_hex(16)}",
        second=f"later_{secrets.token_hex(16)}",
        wrong=f"wrong_{secrets.token_hex(16)}",
    )
    listening_customer(customer, hunt, set())
    name = fresh("closed")
    app = stack.git.app("hello", name)
    in_folder = {f"apps/web/{path}": content for path, content in app.files.items()}
    stack.git.commit(name, {**in_folder, "Procfile": "web: false"})
    stack.git.protect(name, token=hunt.values["token"])
    source = {"repo_url": stack.git.url(name), "root": "apps/web", "token": hunt.values["token"]}
    async with redis_watched(stack, hunt):
        wrong = {**source, "token": hunt.values["wrong"]}
        check = (await customer.ask("POST", "/source-checks", json=wrong)).json()
        assert (check["readable"], check["reason_code"]) == (False, "source_auth_failed")
        body = customer.order_body(name, stack.git.url(name))
        accepted = await customer.post("/orders", {**body, "source": source})
        await customer.live(accepted)
        service = accepted["service"]["id"]
        look_at_processes(hunt, accepted["deployment"]["id"])

        # The forge's owner renews the token: the next deployment fails, and says so, until it is told here.
        stack.git.protect(name, token=hunt.values["second"])
        failed = await customer.deploy(service)
        job = await customer.finished(failed["job_id"])
        assert (job["state"], job["error"]["code"]) == ("failed", "source_auth_failed")
        path = f"/services/{service}/source"
        given = {"token": hunt.values["second"], "username": ""}
        assert (await customer.ask("PUT", f"{path}/token", json=given)).status_code == 200
        deployed = await customer.deploy(service)
        assert (await customer.finished(deployed["job_id"]))["state"] == "succeeded"
        log = await customer.log_text(deployed["deployment_id"])
        assert "folder apps/web" in log
        hunt.look("the deployment's log", log)

        # While it is fetched, the secret is in no list of processes.
        stack.git.behave(name, Behaviour.HANG)
        hanging = await customer.deploy(service)
        await until(fetches, 30, "a repository is being fetched")
        look_at_processes(hunt, hanging["deployment_id"])
        assert (await customer.ask("POST", f"/jobs/{hanging['job_id']}/cancel")).status_code == 202
        assert (await customer.finished(hanging["job_id"]))["state"] == "cancelled"
        stack.git.behave(name, None)
        hunt.look("the audit trail", json.dumps(await customer.get("/audit")))
        await look_at_database(stack, hunt)
    assert look_at_files(stack, hunt) > 100
    assert hunt.found == []
    await customer.delete_everything()
    # The installation is shared: other tests' services keep theirs.
    assert await stack.rows("SELECT 1 FROM source_tokens WHERE service_id = $1", service) == []


async def test_by_deploy_key(stack: Stack, customer: Customer, fresh: Fresh, ssh_git: SshGitServer) -> None:
    hunt = Hunt()
    hunt.needles = {b"PRIVATE KEY": "a private key"}
    listening_customer(customer, hunt, set())
    name = fresh("keyed")
    commit = stack.git.commit(name, stack.git.app("by key", name).files)
    stack.git.tag(name, "v1", commit)
    key = (await customer.ask("POST", "/deploy-keys", json={})).json()
    ssh_git.allow(name, key["public_key"])
    source = {"repo_url": ssh_git.url(name), "ref": "v1", "deploy_key_id": key["id"]}
    accepted = await customer.post("/orders", {**customer.order_body(name, ""), "source": source})
    await customer.live(accepted)
    service, deployment = accepted["service"]["id"], accepted["deployment"]["id"]
    assert ssh_git.fingerprint in await customer.log_text(deployment)
    path = f"/services/{service}/source"
    assert (await customer.get(path))["host_key"]["fingerprint"] == ssh_git.fingerprint
    look_at_processes(hunt, deployment)

    # The server shows another key: nothing is deployed until somebody says that this is right.
    ssh_git.renew_host_key()
    failed = await customer.deploy(service)
    job = await customer.finished(failed["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "source_host_key_changed")
    assert (await customer.service(service))["status"] == "running"
    assert (await customer.ask("DELETE", f"{path}/host-key")).status_code == 204
    deployed = await customer.deploy(service)
    assert (await customer.finished(deployed["job_id"]))["state"] == "succeeded"
    await look_at_database(stack, hunt)
    assert hunt.found == []
