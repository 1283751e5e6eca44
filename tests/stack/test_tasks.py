"""A release command and a cron job in a whole installation, with their worker killed in the middle."""

from __future__ import annotations

from typing import Any

from tests.stack.scenes import Fresh
from tests.support.customer import Customer
from tests.support.stack import Stack, until


async def test_release_command_and_cron_job_survive_their_workers(
    stack: Stack, customer: Customer, fresh: Fresh
) -> None:
    name = fresh("tasks")
    app = stack.git.app(f"page of {name}", name)
    slow = "echo migrating; sleep 6; echo migrated"
    stack.git.commit(name, {**app.files, "Procfile": f"{_web(app.files)}\nrelease: {slow}\n"})
    accepted = await customer.order(name, stack.git.url(name))
    deployment = str(accepted["deployment_id"])

    async def printed(words: str) -> bool:
        return words in (await customer.log_text(deployment)).splitlines()

    await until(lambda: printed("migrating"), 120, "the release command runs")
    assert (await customer.deployment(deployment))["state"] == "releasing"
    await stack.kill("workers")
    await customer.live(accepted)
    lines = (await customer.log_text(deployment)).splitlines()
    assert (lines.count("migrating"), lines.count("migrated")) == (1, 1)

    body = {"name": "Tide", "schedule": "0 0 1 1 *", "command": "echo rises; sleep 6; exit 7"}
    answer = await customer.ask("POST", f"/services/{accepted['service_id']}/cron-jobs", json=body)
    assert answer.status_code == 201, answer.text
    answer = await customer.ask("POST", f"/cron-jobs/{answer.json()['id']}/runs", json={})
    assert answer.status_code == 201, answer.text
    path = f"/cron-runs/{answer.json()['id']}"

    async def lines_of_run() -> list[str]:
        return [line["text"] for line in (await customer.get(f"{path}/log"))["lines"]]

    await until(lines_of_run, 60, "the cron job runs")
    await stack.kill("workers")

    async def over() -> dict[str, Any] | None:
        run = await customer.get(path)
        return run if run["finished_at"] else None

    run = await until(over, 120, "the run is over")
    assert (run["state"], run["exit_code"]) == ("failed", 7)
    assert await lines_of_run() == ["rises"]

    # A release command that fails: the release before serves on.
    stack.git.commit(name, {**app.files, "Procfile": f"{_web(app.files)}\nrelease: echo oh dear; exit 3\n"})
    failing = await customer.deploy(str(accepted["service_id"]))
    await customer.finished(failing["job_id"])
    failed = await customer.deployment(str(failing["deployment_id"]))
    assert (failed["state"], failed["reason_code"]) == ("failed", "release_command_failed")
    assert (await stack.visit(name)).text == f"page of {name}"


def _web(files: Any) -> str:
    return str(files["Procfile"]).strip()
