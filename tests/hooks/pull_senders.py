"""What the forges send of a pull or merge request, after the examples in their documentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.hooks import senders
from tests.hooks.senders import Sent

HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
NEXT = "34c5c7793cb3b279e22454cb6750c80560547b3a"
THIRD = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """One telling of a request, as every forge would tell it."""

    number: int = 12
    title: str = "Показать приливы 🌊"
    action: str = "opened"
    commit: str = HEAD
    branch: str = "tides"
    target: str = "main"
    draft: bool = False
    fork: bool = False
    merged: bool = False
    minute: int = 0
    repository: str = "me/hello"

    @property
    def closed(self) -> bool:
        return self.action == "closed"

    @property
    def at(self) -> datetime:
        return START + timedelta(minutes=self.minute)

    @property
    def source(self) -> str:
        return "eve/hello" if self.fork else self.repository

    def but(self, **changes: Any) -> Told:
        return replace(self, **changes)


def _repository(path: str) -> dict[str, Any]:
    return {
        "id": 35129377,
        "name": path.rpartition("/")[2],
        "full_name": path,
        "html_url": f"https://git.example.com/{path}",
        "clone_url": f"https://git.example.com/{path}.git",
        "ssh_url": f"git@git.example.com:{path}.git",
        "default_branch": "main",
    }


def github(told: Told, action: str | None = None) -> dict[str, Any]:
    """https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request"""
    ends = {"label": f"me:{told.branch}", "user": {"login": "me"}}
    return {
        "action": action or told.action,
        "number": told.number,
        "pull_request": {
            "url": f"https://api.github.com/repos/{told.repository}/pulls/{told.number}",
            "html_url": f"https://git.example.com/{told.repository}/pull/{told.number}",
            "number": told.number,
            "state": "closed" if told.closed else "open",
            "title": told.title,
            "draft": told.draft,
            "merged": told.merged,
            "updated_at": told.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "head": {**ends, "ref": told.branch, "sha": told.commit, "repo": _repository(told.source)},
            "base": {**ends, "ref": told.target, "sha": "f" * 40, "repo": _repository(told.repository)},
        },
        "repository": _repository(told.repository),
        "sender": {"login": "ada", "id": 21031067, "type": "User"},
    }


def gitea(told: Told) -> dict[str, Any]:
    """https://docs.gitea.com/usage/webhooks; a draft is one by its title."""
    body = github(told, "synchronized" if told.action == "synchronize" else told.action)
    request = body["pull_request"]
    del request["draft"]
    request["title"] = f"WIP: {told.title}" if told.draft else told.title
    request["updated_at"] = told.at.astimezone().isoformat()
    return body


def gitlab(told: Told) -> dict[str, Any]:
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#merge-request-events"""
    actions = {"opened": "open", "synchronize": "update", "reopened": "reopen"}
    state = "merged" if told.merged else "closed" if told.closed else "opened"
    project = {
        "id": 1,
        "name": "hello",
        "web_url": f"https://git.example.com/{told.repository}",
        "git_ssh_url": f"git@git.example.com:{told.repository}.git",
        "git_http_url": f"https://git.example.com/{told.repository}.git",
        "path_with_namespace": told.repository,
        "default_branch": "main",
    }
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 1, "name": "Ада"},
        "project": project,
        "object_attributes": {
            "id": 99,
            "iid": told.number,
            "title": told.title,
            "state": state,
            "action": "merge" if told.merged else "close" if told.closed else actions[told.action],
            "draft": told.draft,
            "work_in_progress": told.draft,
            "source_branch": told.branch,
            "target_branch": told.target,
            "source_project_id": 14 if told.fork else 1,
            "target_project_id": 1,
            "updated_at": told.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            "last_commit": {"id": told.commit, "message": "Show the tides\n"},
            "url": f"https://git.example.com/{told.repository}/-/merge_requests/{told.number}",
            "source": {**project, "path_with_namespace": told.source},
            "target": project,
        },
    }


def bitbucket(told: Told) -> dict[str, Any]:
    """https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Pull-request-events"""

    def end(branch: str, commit: str, repository: str) -> dict[str, Any]:
        named = {"type": "repository", "full_name": repository, "name": "hello"}
        return {"branch": {"name": branch}, "commit": {"hash": commit[:12]}, "repository": named}

    return {
        "actor": {"display_name": "Ада", "type": "user"},
        "pullrequest": {
            "id": told.number,
            "title": told.title,
            "description": "",
            "state": "MERGED" if told.merged else "DECLINED" if told.closed else "OPEN",
            "draft": told.draft,
            "source": end(told.branch, told.commit, told.source),
            "destination": end(told.target, "f" * 40, told.repository),
            "updated_on": told.at.isoformat(),
            "links": {"html": {"href": f"https://bitbucket.org/{told.repository}/pull-requests/12"}},
        },
        "repository": {"type": "repository", "full_name": told.repository, "name": "hello"},
    }


def data_center(told: Told) -> dict[str, Any]:
    """https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html#Eventpayload-Pullrequest"""

    def end(branch: str, commit: str, repository: str) -> dict[str, Any]:
        key, _, slug = repository.partition("/")
        named = {"slug": slug, "id": 84, "project": {"key": key.upper(), "id": 84}}
        return {
            "id": f"refs/heads/{branch}",
            "displayId": branch,
            "latestCommit": commit,
            "repository": named,
        }

    return {
        "eventKey": data_center_event(told),
        "date": "2026-11-22T12:00:00+0200",
        "actor": {"name": "ada", "displayName": "Ада"},
        "pullRequest": {
            "id": told.number,
            "version": 0,
            "title": told.title,
            "state": "MERGED" if told.merged else "DECLINED" if told.closed else "OPEN",
            "open": not told.closed,
            "closed": told.closed,
            "draft": told.draft,
            "createdDate": int(START.timestamp() * 1000),
            "updatedDate": int(told.at.timestamp() * 1000),
            "fromRef": end(told.branch, told.commit, told.source),
            "toRef": end(told.target, "f" * 40, told.repository),
        },
    }


def data_center_event(told: Told) -> str:
    if told.closed:
        return "pr:merged" if told.merged else "pr:declined"
    return {"opened": "pr:opened", "synchronize": "pr:from_ref_updated", "reopened": "pr:modified"}[
        told.action
    ]


def bitbucket_event(told: Told) -> str:
    if told.closed:
        return "pullrequest:fulfilled" if told.merged else "pullrequest:rejected"
    return "pullrequest:created" if told.action == "opened" else "pullrequest:updated"


Send = Callable[..., Sent]


def from_github(secret: str, told: Told, **how: Any) -> Sent:
    return senders.from_github(secret, github(told), event="pull_request", **how)


def from_gitea(secret: str, told: Told, **how: Any) -> Sent:
    return senders.from_gitea(secret, gitea(told), event="pull_request", **how)


def from_gitlab(secret: str, told: Told, **how: Any) -> Sent:
    return senders.from_gitlab(secret, gitlab(told), event="Merge Request Hook", **how)


def from_bitbucket(secret: str, told: Told, **how: Any) -> Sent:
    return senders.from_bitbucket(secret, bitbucket(told), event=bitbucket_event(told), **how)


def from_data_center(secret: str, told: Told, **how: Any) -> Sent:
    return senders.from_bitbucket(secret, data_center(told), event=data_center_event(told), **how)


FORGES: dict[str, Send] = {
    "github": from_github,
    "gitea": from_gitea,
    "gitlab": from_gitlab,
    "bitbucket": from_bitbucket,
    "bitbucket, data center": from_data_center,
}
