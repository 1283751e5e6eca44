"""What the API document says of a forge's call: its headers and body are the forges' own, not ours."""

from __future__ import annotations

from typing import Any

_HEADERS = {
    "X-Hub-Signature-256": ("GitHub; `X-Hub-Signature` at Bitbucket", "`sha256=` and the HMAC-SHA256 in hex"),
    "X-GitHub-Event": ("GitHub", "`push` deploys, `pull_request` makes previews, `ping` is answered"),
    "X-Gitea-Signature": ("Gitea; `X-Forgejo-Signature` at Forgejo", "the HMAC-SHA256 in hex"),
    "X-Gitea-Event": ("Gitea; `X-Forgejo-Event` at Forgejo", "`push` deploys, `pull_request` makes previews"),
    "Webhook-Signature": ("GitLab with a signing token", "as Standard Webhooks says"),
    "X-Gitlab-Token": ("GitLab without one", "the secret itself"),
    "X-Gitlab-Event": ("GitLab", "`Push Hook` deploys, `Merge Request Hook` makes previews"),
    "X-Event-Key": (
        "Bitbucket",
        "`repo:push` and `repo:refs_changed` deploy, `pullrequest:*` and `pr:*` make previews",
    ),
}
_PUSH = {
    "ref": "refs/heads/main",
    "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "after": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
    "repository": {"clone_url": "https://github.com/example/app.git"},
    "commits": [{"id": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "modified": ["app.py"]}],
}

WEBHOOK: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": name,
            "required": False,
            "description": f"{forge}: {meaning}.",
            "schema": {"type": "string"},
        }
        for name, (forge, meaning) in _HEADERS.items()
    ],
    "requestBody": {
        "required": True,
        "description": "What the forge sends, at most 25 MiB; here the part of GitHub's that is read.",
        "content": {"application/json": {"schema": {"type": "object", "examples": [_PUSH]}}},
    },
}
