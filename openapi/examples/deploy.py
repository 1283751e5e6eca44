"""Deploy an app from git: sign in (or register), order or deploy again, follow the log, print the address.

    GAVAN_EMAIL=ada@example.com GAVAN_PASSWORD=… python deploy.py hello https://git.example.com/me/hello.git

Needs `httpx` (python -m pip install httpx). The token is renewed when it has run out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from typing import Any

try:
    import httpx
except ModuleNotFoundError:
    httpx = None  # type: ignore[assignment]

FINAL = ("succeeded", "failed", "cancelled")
ENVIRONMENT = """environment:
  GAVAN_URL       address of the panel (http://localhost:8080)
  GAVAN_EMAIL     your account; it is registered if there is none
  GAVAN_PASSWORD  its password"""


class Refused(Exception):
    """The API's own words, from its problem document."""

    def __init__(self, answer: httpx.Response) -> None:
        said = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        errors = "".join(
            f"\n  {'.'.join(map(str, one['loc']))}: {one['message']}" for one in said.get("errors") or ()
        )
        super().__init__(
            said.get("detail", said.get("error_description", f"HTTP {answer.status_code}")) + errors
        )
        self.code = said.get("code", said.get("error"))


class Gavan:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)
        self._refresh_token = ""

    def enter(self, email: str, password: str) -> None:
        """Sign in; who is not known yet registers first."""
        grant = {"grant_type": "password", "username": email, "password": password}
        try:
            self._sign_in(grant)
        except Refused as refused:
            if refused.code != "invalid_grant":
                raise
            registered = self._http.post("/api/v1/users", json={"email": email, "password": password})
            if registered.status_code == 422:
                raise Refused(registered) from None
            self._sign_in(grant)

    def _sign_in(self, grant: dict[str, str]) -> None:
        answer = self._http.post("/oauth/token", data={"client_id": "cli", **grant})
        if answer.is_error:
            raise Refused(answer)
        tokens = answer.json()
        self._refresh_token = tokens["refresh_token"]
        self._http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def call(self, method: str, path: str, **rest: Any) -> dict[str, Any]:
        answer = self._http.request(method, f"/api/v1{path}", **rest)
        if answer.status_code == 401:
            self._sign_in({"grant_type": "refresh_token", "refresh_token": self._refresh_token})
            answer = self._http.request(method, f"/api/v1{path}", **rest)
        if answer.is_error:
            raise Refused(answer)
        found: dict[str, Any] = answer.json()
        return found

    def deploy(
        self, name: str, source: dict[str, str | None], variables: dict[str, str], project: str | None
    ) -> dict[str, Any]:
        """Order the service, or deploy the one of this name again with what is given now."""
        # Sent again after a lost answer, the same key gives the first answer and no second service.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        mine = self.call("GET", "/services", params={"name": name})["items"]
        if not mine:
            order: dict[str, Any] = {
                "template_id": "git-app",
                "plan_id": "dinghy",
                "name": name,
                "source": source,
            }
            order |= {"variables": variables, "project_id": project}
            return self.call("POST", "/orders", json=order, headers=headers)
        path = f"/services/{mine[0]['id']}"
        self.call("PATCH", path, json={"source": source})
        if variables:
            self.call("PUT", f"{path}/variables", json={"variables": variables})
        return self.call("POST", f"{path}/deployments", headers=headers)

    def follow(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """Print the deployment's log until its job is final; the job."""
        after = 0
        while True:
            job = self.call("GET", f"/jobs/{accepted['job_id']}")
            log = self.call("GET", f"/deployments/{accepted['deployment_id']}/log", params={"after": after})
            for line in log["lines"]:
                print(f"  {line['text']}", flush=True)
            after = log["next"]
            if job["state"] in FINAL and not log["lines"]:
                return job
            if not log["lines"]:
                time.sleep(0.5)


def variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Deploy an app from git; run it again to deploy again.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="becomes the first label of the address")
    parser.add_argument("repo_url", help="https:// address of a git repository")
    parser.add_argument("--ref", help="a branch, a tag or a commit; the default branch if left out")
    parser.add_argument("--project", metavar="ID", help="your personal project if left out")
    parser.add_argument(
        "--variable", metavar="NAME=VALUE", type=variable, action="append", default=[], help="may be repeated"
    )
    parser.add_argument("--url", default=os.environ.get("GAVAN_URL", "http://localhost:8080"))
    given = parser.parse_args()
    for name in ("GAVAN_EMAIL", "GAVAN_PASSWORD"):
        if not os.environ.get(name):
            parser.error(f"{name} must be set in the environment")
    if httpx is None:
        parser.exit(1, "deploy.py needs httpx: python -m pip install httpx\n")
    return given


def main() -> int:
    given = arguments()
    gavan = Gavan(given.url.rstrip("/"))
    try:
        gavan.enter(os.environ["GAVAN_EMAIL"], os.environ["GAVAN_PASSWORD"])
        source = {"repo_url": given.repo_url, "ref": given.ref}
        accepted = gavan.deploy(given.name, source, dict(given.variable), given.project)
        job = gavan.follow(accepted)
        service = gavan.call("GET", f"/services/{accepted['service_id']}")
    except Refused as refused:
        print(f"Refused: {refused}", file=sys.stderr)
        return 1
    except httpx.TransportError as error:
        print(f"{given.url} does not answer: {error}", file=sys.stderr)
        return 1
    if job["state"] != "succeeded":
        print(f"The deployment {job['state']}: {(job['error'] or {}).get('message', '')}", file=sys.stderr)
        return 1
    print(service["url"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
