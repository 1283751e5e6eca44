"""A customer who speaks to an installation through its edge, and is patient with what is being killed."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import httpx

FINAL_JOB = ("succeeded", "failed", "cancelled")
FINAL_DEPLOYMENT = ("live", "rolled_back", "failed", "cancelled", "superseded")
PASSWORD = "a lighthouse on a foggy quay"
PLAN = "dinghy"
PAUSE = 0.08

Json = dict[str, Any]


class Customer:
    def __init__(self, instance: str, port: int) -> None:
        self.http = httpx.AsyncClient(
            base_url=instance,
            headers={"Host": f"localhost:{port}"},
            trust_env=False,
            timeout=30,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.email = self.password = ""

    async def sign_in(self, email: str | None = None, password: str | None = None) -> None:
        self.email, self.password = email or f"{uuid.uuid4().hex}@example.com", password or PASSWORD
        if email is None:
            body = {"email": self.email, "password": self.password}
            (await self.http.post("/api/v1/users", json=body)).raise_for_status()
        form = {"grant_type": "password", "client_id": "cli"}
        form |= {"username": self.email, "password": self.password}
        answer = (await self.http.post("/oauth/token", data=form)).raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def close(self) -> None:
        await self.http.aclose()

    # Asking -------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Once, without patience; `path` is below /api/v1."""
        return await self.http.request(method, f"/api/v1{path}", **rest)

    async def get(self, path: str, *, seconds: float = 120, **params: Any) -> Json:
        """Tries again while parts are away: what a panel that polls would do."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = await self.ask("GET", path, params=params)
            except httpx.TransportError as error:
                problem: object = error
            else:
                if answer.status_code == 200:
                    return answer.json()  # type: ignore[no-any-return]
                problem = answer.text
                if answer.status_code == 401:
                    # A token is good for a quarter of an hour; some customers are there for longer.
                    await self.sign_in(self.email, self.password)
                else:
                    assert answer.status_code >= 500, answer.text
            assert time.monotonic() < deadline, f"GET {path}: {problem}"
            await asyncio.sleep(PAUSE)

    async def post(self, path: str, body: Json | None = None, **headers: str) -> Json:
        """The body of a 202."""
        answer = await self.ask("POST", path, json=body or {}, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()  # type: ignore[no-any-return]

    # Services -----------------------------------------------------------------------------------

    async def order(
        self,
        name: str,
        repo_url: str,
        *,
        branch: str | None = None,
        variables: Json | None = None,
        **more: Any,
    ) -> Json:
        return await self.post("/orders", self.order_body(name, repo_url, branch, variables, **more))

    @staticmethod
    def order_body(
        name: str, repo_url: str, branch: str | None = None, variables: Json | None = None, **more: Any
    ) -> Json:
        source = {"repo_url": repo_url, "ref": branch}
        body = {"template_id": "git-app", "plan_id": PLAN, "name": name, "source": source}
        return body | {"variables": variables or {}} | more

    async def deploy(self, service_id: str) -> Json:
        return await self.post(f"/services/{service_id}/deployments")

    async def roll_back(self, service_id: str, deployment_id: str) -> Json:
        return await self.post(f"/services/{service_id}/rollbacks", {"deployment_id": deployment_id})

    async def service(self, service_id: str) -> Json:
        return await self.get(f"/services/{service_id}")

    async def deployment(self, deployment_id: str) -> Json:
        return await self.get(f"/deployments/{deployment_id}")

    async def log_lines(self, deployment_id: str) -> list[Json]:
        lines: list[Json] = []
        while page := (
            await self.get(
                f"/deployments/{deployment_id}/log", after=lines[-1]["seq"] if lines else 0, size=1000
            )
        )["lines"]:
            lines += page
        return lines

    async def log_text(self, deployment_id: str) -> str:
        return "\n".join(line["text"] for line in await self.log_lines(deployment_id))

    async def jobs_of(self, service_id: str) -> list[Json]:
        return (await self.get("/jobs", service_id=service_id, size=100))["items"]  # type: ignore[no-any-return]

    # Waiting ------------------------------------------------------------------------------------

    async def finished(self, job_id: str, seconds: float = 120) -> Json:
        """The job once it is final; the caller asked for nothing else."""
        deadline = time.monotonic() + seconds
        while True:
            job = await self.get(f"/jobs/{job_id}")
            if job["state"] in FINAL_JOB:
                return job
            assert time.monotonic() < deadline, f"not final after {seconds:.0f} s: {job}"
            await asyncio.sleep(PAUSE)

    async def in_state(self, deployment_id: str, *states: str, seconds: float = 120) -> Json:
        deadline = time.monotonic() + seconds
        while True:
            deployment = await self.deployment(deployment_id)
            if deployment["state"] in states:
                return deployment
            assert deployment["state"] not in FINAL_DEPLOYMENT, deployment
            assert time.monotonic() < deadline, f"not {states} after {seconds:.0f} s: {deployment}"
            await asyncio.sleep(PAUSE)

    async def live(self, accepted: Json, seconds: float = 120) -> Json:
        """The deployment of what was accepted, which must succeed."""
        job = await self.finished(accepted["job_id"], seconds)
        assert job["state"] == "succeeded", (job, await self.log_text(accepted["deployment_id"]))
        return await self.deployment(accepted["deployment_id"])

    async def has_status(self, service_id: str, status: str, seconds: float = 60) -> Json:
        deadline = time.monotonic() + seconds
        while True:
            service = await self.service(service_id)
            if service["status"] == status:
                return service
            assert time.monotonic() < deadline, f"not {status} after {seconds:.0f} s: {service}"
            await asyncio.sleep(PAUSE)

    async def delete(self, service_id: str, seconds: float = 120) -> Json:
        answer = await self.ask("DELETE", f"/services/{service_id}")
        assert answer.status_code == 202, answer.text
        return await self.finished(answer.json()["job_id"], seconds)

    async def delete_everything(self) -> None:
        accepted = []
        for stack in (await self.get("/stacks", size=100))["items"]:
            answer = await self.ask("POST", f"/stacks/{stack['id']}/removal", json={"name": stack["name"]})
            if answer.status_code == 202:
                accepted += answer.json()["job_ids"]
        services = (await self.get("/services", size=100))["items"]
        for service in services:
            answer = await self.ask("DELETE", f"/services/{service['id']}")
            if answer.status_code == 202:
                accepted.append(answer.json()["job_id"])
        await asyncio.gather(*(self.finished(job) for job in accepted))
