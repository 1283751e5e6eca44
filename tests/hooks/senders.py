"""What the forges send of a push, after the examples in their documentation, signed as they sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any
from uuid import uuid4

import orjson

BEFORE = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
AFTER = "59b20b8d5c6ff8d09518216e87bc68a7d7a4b6a1"
NOTHING = "0" * 40

Sent = tuple[dict[str, str], bytes]


def commit(identity: str = AFTER, message: str = "Show the tides", *changed: str) -> dict[str, Any]:
    return {
        "id": identity,
        "tree_id": "f9d2a07e9488b91af2641b26b9407fe22a451433",
        "distinct": True,
        "message": message,
        "timestamp": "2026-11-22T12:00:00+02:00",
        "url": f"https://git.example.com/me/hello/commit/{identity}",
        "author": {"name": "Ада", "email": "ada@example.com", "username": "ada"},
        "committer": {"name": "Ада", "email": "ada@example.com", "username": "ada"},
        "added": [],
        "removed": [],
        "modified": list(changed or ("app.py",)),
    }


def github(**changes: Any) -> dict[str, Any]:
    """https://docs.github.com/webhooks/webhook-events-and-payloads#push; Gitea's is of the same shape."""
    commits = changes.pop("commits", [commit(changes.get("after", AFTER))])
    body = {
        "ref": "refs/heads/main",
        "before": BEFORE,
        "after": AFTER,
        "repository": {
            "id": 186853002,
            "name": "hello",
            "full_name": "me/hello",
            "private": False,
            "html_url": "https://git.example.com/me/hello",
            "clone_url": "https://git.example.com/me/hello.git",
            "git_url": "git://git.example.com/me/hello.git",
            "ssh_url": "git@git.example.com:me/hello.git",
            "default_branch": "main",
        },
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "sender": {"login": "ada", "id": 21031067, "type": "User"},
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": "https://git.example.com/me/hello/compare/6113728f27ae...59b20b8d5c6f",
        "commits": commits,
        "head_commit": commits[-1] if commits else None,
    }
    return body | changes


def gitlab(**changes: Any) -> dict[str, Any]:
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events"""
    commits = changes.pop("commits", [commit(changes.get("after", AFTER))])
    body = {
        "object_kind": "push",
        "event_name": "push",
        "before": BEFORE,
        "after": AFTER,
        "ref": "refs/heads/main",
        "ref_protected": True,
        "checkout_sha": AFTER,
        "user_name": "Ада",
        "project_id": 15,
        "project": {
            "id": 15,
            "name": "hello",
            "web_url": "https://git.example.com/me/hello",
            "git_ssh_url": "git@git.example.com:me/hello.git",
            "git_http_url": "https://git.example.com/me/hello.git",
            "path_with_namespace": "me/hello",
            "default_branch": "main",
        },
        "commits": commits,
        "total_commits_count": len(commits),
    }
    return body | changes


def bitbucket(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push"""
    body = {
        "actor": {"display_name": "Ада", "type": "user"},
        "repository": {"type": "repository", "name": "hello", "full_name": "me/hello", "is_private": True},
        "push": {"changes": list(changes) or [bitbucket_change()]},
    }
    return body | more


def bitbucket_server(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html#Eventpayload-Push"""
    change = {
        "ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"},
        "refId": "refs/heads/main",
        "fromHash": BEFORE,
        "toHash": AFTER,
        "type": "UPDATE",
    }
    body = {
        "eventKey": "repo:refs_changed",
        "date": "2026-11-22T12:00:00+0200",
        "actor": {"name": "ada", "displayName": "Ада"},
        "repository": {"slug": "hello", "name": "hello", "project": {"key": "ME", "name": "Me"}},
        "changes": list(changes) or [change],
        "toCommit": {"id": AFTER, "message": "Show the tides\n\nand the moon", "parents": []},
    }
    return body | more


def bitbucket_change(
    name: str = "main", after: str | None = AFTER, before: str | None = BEFORE, *, kind: str = "branch"
) -> dict[str, Any]:
    def ref(identity: str | None) -> dict[str, Any] | None:
        target = {"type": "commit", "hash": identity, "message": "Show the tides\n", "parents": []}
        return (identity and {"type": kind, "name": name, "target": target}) or None

    return {
        "new": ref(after),
        "old": ref(before),
        "created": before is None,
        "closed": after is None,
        "forced": False,
        "commits": [],
        "truncated": False,
    }


def mac(secret: str | bytes, body: bytes) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, body, hashlib.sha256).digest()


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


def from_github(secret: str, body: Any, *, event: str = "push", delivery: str | None = None) -> Sent:
    content = raw(body)
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid4()),
        "X-Hub-Signature-256": "sha256=" + mac(secret, content).hex(),
    }, content


def from_gitea(secret: str, body: Any, *, event: str = "push", delivery: str | None = None) -> Sent:
    """It sends what GitHub sends too, so that tools for GitHub understand it."""
    headers, content = from_github(secret, body, event=event, delivery=delivery)
    own = {
        "X-Gitea-Event": event,
        "X-Gitea-Delivery": headers["X-GitHub-Delivery"],
        "X-Gitea-Signature": mac(secret, content).hex(),
    }
    return headers | own, content


def from_gitlab(
    secret: str, body: Any, *, event: str = "Push Hook", delivery: str | None = None, signed: bool = False
) -> Sent:
    content, identity = raw(body), delivery or str(uuid4())
    headers = {
        "Content-Type": "application/json",
        "X-Gitlab-Event": event,
        "X-Gitlab-Event-UUID": str(uuid4()),
        "Idempotency-Key": identity,
    }
    if signed:
        return headers | standard(secret, content, identity), content
    return headers | {"X-Gitlab-Token": secret}, content


def standard(secret: str, content: bytes, identity: str, moment: int | None = None) -> dict[str, str]:
    """https://www.standardwebhooks.com, which GitLab's signing tokens follow."""
    at = str(moment if moment is not None else int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(mac(key, b".".join((identity.encode(), at.encode(), content)))).decode()
    return {"webhook-id": identity, "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}


def from_bitbucket(secret: str, body: Any, *, event: str = "repo:push", delivery: str | None = None) -> Sent:
    content = raw(body)
    return {
        "Content-Type": "application/json",
        "X-Event-Key": event,
        "X-Request-UUID": delivery or str(uuid4()),
        "X-Hook-UUID": str(uuid4()),
        "X-Attempt-Number": "1",
        "X-Hub-Signature": "sha256=" + mac(secret, content).hex(),
    }, content
