"""How each forge is told of a commit, and asked whether it would listen: after their documentation.

- GitHub: https://docs.github.com/rest/commits/statuses
- GitLab: https://docs.gitlab.com/api/commits/#set-the-pipeline-status-of-a-commit
- Gitea, Forgejo: `POST /repos/{owner}/{repo}/statuses/{sha}` of their API document
- Bitbucket: https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/
- Bitbucket Data Center: https://developer.atlassian.com/server/bitbucket/how-tos/updating-build-status-for-commits/
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from backend.engines.addresses import Remote, parse_remote
from backend.statuses.models import Said

ForgeName = Literal["github", "gitlab", "gitea", "bitbucket", "bitbucket_server"]
_APIS = {
    "github": "/api/v3",
    "gitlab": "/api/v4",
    "gitea": "/api/v1",
    "bitbucket": "/2.0",
    "bitbucket_server": "/rest/api/latest",
}
_ELSEWHERE = {
    ("github", "github.com"): "https://api.github.com",
    ("bitbucket", "bitbucket.org"): "https://api.bitbucket.org/2.0",
}
"""Forges that have their API on a host of its own."""
_GITHUB = {"pending": "pending", "success": "success", "failure": "failure", "cancelled": "error"}
_GITLAB = {"pending": "running", "success": "success", "failure": "failed", "cancelled": "canceled"}
_BITBUCKET = {"pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED", "cancelled": "STOPPED"}
_SERVER = {**_BITBUCKET, "cancelled": "CANCELLED"}
_KEY = 40
_MAY_PUSH = 30
"""GitLab's access level of a developer."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said of a commit."""

    commit: str
    context: str
    said: str
    description: str
    target_url: str


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Any] | None = None


def guessed(repo_url: str) -> ForgeName:
    """Which forge an address is most likely of."""
    host = parse_remote(repo_url).host
    if host == "github.com" or "github" in host:
        return "github"
    if host == "bitbucket.org":
        return "bitbucket"
    if "bitbucket" in host:
        return "bitbucket_server"
    return "gitlab" if "gitlab" in host else "gitea"


def api_of(forge: str, repo_url: str) -> str:
    """Where the API of the repository's forge is, unless somebody says otherwise."""
    remote = parse_remote(repo_url)
    if known := _ELSEWHERE.get((forge, remote.host)):
        return known
    if remote.scheme == "ssh":
        remote = Remote("https", remote.host, 443, "/")
    return Remote(remote.scheme, remote.host, remote.port, "").url + _APIS[forge]


def same_forge(forge: str, repo_url: str, api_url: str) -> bool:
    """Whether the source's token would stay where it is shown to already."""
    remote = parse_remote(repo_url)
    if remote.scheme == "ssh":
        return False
    if api_url == _ELSEWHERE.get((forge, remote.host)):
        return True
    return parse_remote(api_url).origin == remote.origin


def telling(
    forge: str, api_url: str, repo_url: str, message: Message, token: str, username: str = ""
) -> Asked:
    at, sha = _repository(forge, api_url, repo_url), quote(message.commit, safe="")
    state, link, words = Said(message.said), message.target_url, message.description
    named = {"context": message.context, "target_url": link, "description": words}
    keyed = {"key": _key(message.context), "name": message.context, "url": link, "description": words}
    url, body = {
        "github": (f"{at}/statuses/{sha}", {"state": _GITHUB[state], **named}),
        "gitea": (f"{at}/statuses/{sha}", {"state": _GITHUB[state], **named}),
        "gitlab": (f"{at}/statuses/{sha}", {"state": _GITLAB[state], **named}),
        "bitbucket": (f"{at}/commit/{sha}/statuses/build", {"state": _BITBUCKET[state], **keyed}),
        "bitbucket_server": (f"{at}/commits/{sha}/builds", {"state": _SERVER[state], **keyed}),
    }[forge]
    if forge == "gitlab":
        body["name"] = body.pop("context")
    return Asked("POST", url, _headers(forge, token, username), body)


def asking(forge: str, api_url: str, repo_url: str, token: str, username: str = "") -> Asked:
    return Asked("GET", _repository(forge, api_url, repo_url), _headers(forge, token, username))


def may_tell(forge: str, answer: Any) -> bool | None:
    """Whether the token may say something of commits, as far as the forge tells that of a repository."""
    permissions = answer.get("permissions") if isinstance(answer, dict) else None
    if not isinstance(permissions, dict):
        return None
    if forge == "gitlab":
        given = [one.get("access_level") for one in permissions.values() if isinstance(one, dict)]
        levels = [level for level in given if isinstance(level, int)]
        return max(levels) >= _MAY_PUSH if levels else None
    push = permissions.get("push")
    return push if isinstance(push, bool) else None


def _repository(forge: str, api_url: str, repo_url: str) -> str:
    path = parse_remote(repo_url).path.strip("/").removesuffix(".git")
    if forge == "gitlab":
        return f"{api_url}/projects/{quote(path, safe='')}"
    if forge == "bitbucket_server":
        project, _, slug = path.removeprefix("scm/").rpartition("/")
        return f"{api_url}/projects/{quote(project, safe='~')}/repos/{quote(slug, safe='')}"
    start = "repositories" if forge == "bitbucket" else "repos"
    return f"{api_url}/{start}/{quote(path, safe='/')}"


def _headers(forge: str, token: str, username: str) -> dict[str, str]:
    common = {"User-Agent": "gavan", "Accept": "application/json", "Content-Type": "application/json"}
    if username:
        pair = base64.b64encode(f"{username}:{token}".encode()).decode()
        return {**common, "Authorization": f"Basic {pair}"}
    if forge == "github":
        common |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if forge == "gitlab":
        return {**common, "PRIVATE-TOKEN": token}
    return {**common, "Authorization": f"token {token}" if forge == "gitea" else f"Bearer {token}"}


def _key(context: str) -> str:
    """Bitbucket takes no more than forty signs."""
    if len(context) <= _KEY:
        return context
    return "gavan-" + hashlib.sha256(context.encode()).hexdigest()[: _KEY - 6]


def host_of(api_url: str) -> str:
    return urlsplit(api_url).hostname or ""
