"""The demo customer: registers, orders the bundled example through the public API, waits until it is live."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from embedded.console import Failure
from embedded.web import Answer, Edge

APP = "hello"
TEMPLATE = "example-python"
CREDIT_MINOR = 5_000
"""What a first project is given, in its currency's smallest unit, so that the example is paid for."""
PATIENCE_SECONDS = 600
"""The first build in containers fetches what it begins from."""
POLL_SECONDS = 0.25
LAST_LINES = 15
FINAL = ("succeeded", "failed", "cancelled")


class Demo:
    def __init__(self, edge: Edge, email: str, password: str) -> None:
        self.edge, self.email, self.password = edge, email, password
        self.token = ""

    def sign_in(self, registered: Callable[[], None]) -> None:
        """Get a token; on the first run register before it, and say so."""
        status, said = self._token()
        if status == 400:
            body = {"email": self.email, "password": self.password, "name": "Demo"}
            status, said, _ = self.edge.ask("POST", "/api/v1/users", body=body)
            if status != 202:
                raise refused("registering the demo customer", status, said)
            registered()
            status, said = self._token()
        if status != 200:
            raise refused(
                "signing in as the demo customer",
                status,
                said,
                "DEMO_PASSWORD in .env must be that customer's",
            )
        self.token = said["access_token"]

    def _token(self) -> tuple[int, Any]:
        form = {
            "grant_type": "password",
            "client_id": "cli",
            "username": self.email,
            "password": self.password,
        }
        status, said, _ = self.edge.ask("POST", "/oauth/token", form=form)
        return status, said

    def service(self) -> dict[str, Any] | None:
        status, said, _ = self._call("GET", "/api/v1/services?size=100")
        if status != 200:
            raise refused("listing the demo customer's services", status, said)
        found: list[dict[str, Any]] = [item for item in said["items"] if item["name"] == APP]
        return found[0] if found else None

    def deploy(self, progress: Callable[[str], None], watch: Callable[[], None], *, again: bool) -> None:
        """Have the example running: order it, or take up what an earlier run left undone; `again` if it is
        live, but on an engine of before."""
        present = self.service()
        if again or present is None or present["live_deployment"] is None:
            self.follow(self.order(), progress, watch)

    def order(self) -> str:
        """Order the example, or deploy it again after a failure. The path of the job to follow."""
        if present := self.service():
            if present["active_job_id"]:
                return f"/api/v1/jobs/{present['active_job_id']}"
            key = f"make-up-{present['id']}-{present['updated_at']}"
            answer = self._call("POST", f"/api/v1/services/{present['id']}/deployments", {}, key)
        else:
            plan = self._item("plans", lambda item: True)
            body = {
                "template_id": TEMPLATE,
                "plan_id": plan["id"],
                "name": APP,
                "variables": {"GREETING": "Hello from Gavan"},
            }
            answer = self._call("POST", "/api/v1/orders", body, f"make-up-{time.time_ns()}")
        status, said, headers = answer
        if status != 202:
            raise refused("ordering the example app", status, said)
        return urlsplit(headers["location"]).path

    def follow(self, job_path: str, progress: Callable[[str], None], watch: Callable[[], None]) -> None:
        """Say each new step of the job until it is final; a Failure when it fails, or from `watch`."""
        said_step, trouble = None, ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status, job, _ = self._call("GET", job_path)
            if status != 200:
                raise refused("following the job", status, job)
            if job["state"] in FINAL:
                if job["state"] == "succeeded":
                    return
                error = job["error"] or {"message": f"the job was {job['state']}"}
                raise Failure(
                    f"the example app did not go live: {error['message']}{self._said()}",
                    "make logs PART=workers",
                )
            trouble = f": {job['error']['message']}" if job["error"] else ""
            if job["step"] and job["step"] != said_step:
                said_step = job["step"]
                progress(said_step)
            watch()
            time.sleep(POLL_SECONDS)
        minutes = PATIENCE_SECONDS // 60
        raise Failure(
            f"the example app is not live after {minutes} minutes{trouble}{self._said()}",
            "make logs PART=workers",
        )

    def _said(self) -> str:
        """The end of the log of the latest deployment, as lines of their own; empty when it cannot be had."""
        present = self.service()
        if present is None:
            return ""
        status, found, _ = self._call("GET", f"/api/v1/services/{present['id']}/deployments?size=1")
        if status != 200 or not found["items"]:
            return ""
        status, log, _ = self._call("GET", f"/api/v1/deployments/{found['items'][0]['id']}/log?size=1000")
        if status != 200 or not log["lines"]:
            return ""
        lines = [line["text"] for line in log["lines"][-LAST_LINES:]]
        return "\n  The end of its log:" + "".join(f"\n    {line}" for line in lines)

    def _item(self, kind: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        status, said, _ = self._call("GET", f"/api/v1/{kind}")
        if status != 200:
            raise refused(f"reading the {kind}", status, said)
        for item in said["items"]:
            if wanted(item):
                return dict(item)
        raise Failure(f"the catalogue has no fitting entry among its {kind}")

    def _call(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        if key:
            headers["Idempotency-Key"] = key
        return self.edge.ask(method, path, body=body, headers=headers)


def refused(what: str, status: int, said: Any, advice: str = "make logs PART=api") -> Failure:
    detail = said.get("detail") or said.get("error_description") or said if isinstance(said, dict) else ""
    return Failure(f"{what} was answered with {status}: {detail}", advice)
