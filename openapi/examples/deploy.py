"""Deploy an app from git: register if needed, sign in, order or deploy again, follow, print the address.

    GAVAN_EMAIL=ada@example.com GAVAN_PASSWORD=… python deploy.py hello https://git.example.com/me/hello.git

Needs `httpx`. The token is renewed when it has run out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections.abc import Generator
from typing import Any

import httpx

FINAL = ("succeeded", "failed", "cancelled")


class Refused(Exception):
    """The API's own words, from its problem document."""


class SignIn(httpx.Auth):
    """Sends the access token; gets one by password first, and by the refresh token later."""

    requires_response_body = True

    def __init__(self, url: str, email: str, password: str) -> None:
        self._endpoint = f"{url}/oauth/token"
        self._grant = {"grant_type": "password", "username": email, "password": password}
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
            answer = yield request
            if answer.status_code != 401:
                return
        said = yield httpx.Request("POST", self._endpoint, data={"client_id": "cli", **self._grant})
        if said.is_error:
            raise Refused(said.json().get("error_description", said.text))
        tokens = said.json()
        self._token = tokens["access_token"]
        self._grant = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Gavan:
    def __init__(self, url: str, email: str, password: str) -> None:
        registered = httpx.post(f"{url}/api/v1/users", json={"email": email, "password": password})
        if registered.status_code not in (201, 409):
            raise Refused(registered.json()["detail"])
        self._http = httpx.Client(base_url=url, auth=SignIn(url, email, password), timeout=30)

    def call(self, method: str, path: str, **rest: Any) -> dict[str, Any]:
        answer = self._http.request(method, f"/api/v1{path}", **rest)
        if answer.is_error:
            raise Refused(answer.json()["detail"])
        found: dict[str, Any] = answer.json()
        return found

    def deploy(
        self, name: str, repo_url: str, branch: str | None, variables: dict[str, str]
    ) -> dict[str, Any]:
        """Order the service, or deploy the one of this name again with what is given now."""
        source = {"repo_url": repo_url, "branch": branch}
        # Sent again after a lost answer, the same key gives the first answer and no second service.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        mine = [
            one for one in self.call("GET", "/services", params={"q": name})["items"] if one["name"] == name
        ]
        if not mine:
            order = {"template_id": "git-app", "plan_id": "dinghy", "name": name, "source": source}
            return self.call("POST", "/orders", json={**order, "variables": variables}, headers=headers)
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


def main() -> int:
    parser = argparse.ArgumentParser(description="Deploy an app from git.")
    parser.add_argument("name", help="becomes the first label of the address")
    parser.add_argument("repo_url", help="https or http address of a git repository")
    parser.add_argument("--branch", help="the repository's default branch if left out")
    parser.add_argument(
        "--variable", metavar="NAME=VALUE", type=variable, action="append", default=[], help="may be repeated"
    )
    parser.add_argument("--url", default=os.environ.get("GAVAN_URL", "http://localhost:8080"))
    arguments = parser.parse_args()
    try:
        gavan = Gavan(arguments.url.rstrip("/"), os.environ["GAVAN_EMAIL"], os.environ["GAVAN_PASSWORD"])
        accepted = gavan.deploy(
            arguments.name, arguments.repo_url, arguments.branch, dict(arguments.variable)
        )
        job = gavan.follow(accepted)
        service = gavan.call("GET", f"/services/{accepted['service_id']}")
    except KeyError as missing:
        parser.error(f"{missing} must be set in the environment")
    except Refused as refused:
        print(f"Refused: {refused}", file=sys.stderr)
        return 1
    if job["state"] != "succeeded":
        print(f"The deployment {job['state']}: {(job['error'] or {}).get('message', '')}", file=sys.stderr)
        return 1
    print(service["url"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
