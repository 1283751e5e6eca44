"""Whether an ssh server is the one it should be: as the great forges publish, else as it was at first."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from backend.engines.errors import EngineError

_GITHUB = frozenset(
    {
        "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
        "SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
    }
)
_GITLAB = frozenset(
    {
        "SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        "SHA256:HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
        "SHA256:ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
    }
)
_BITBUCKET = frozenset(
    {
        "SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
        "SHA256:FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
        "SHA256:46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
    }
)
_CODEBERG = frozenset(
    {
        "SHA256:mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g",
        "SHA256:T9FYDEHELhVkulEKKwge5aVhVTbqCW0MIRwAfpARs/E",
        "SHA256:6QQmYi4ppFS4/+zSZ5S4IU+4sa6rwvQ4PbhCtPEBekQ",
    }
)
PUBLISHED = {
    # docs.github.com: "GitHub's SSH key fingerprints"
    "github.com": _GITHUB,
    "ssh.github.com": _GITHUB,
    # docs.gitlab.com/user/gitlab_com: "SSH host keys fingerprints"
    "gitlab.com": _GITLAB,
    "altssh.gitlab.com": _GITLAB,
    # support.atlassian.com: "Configure SSH and two-step verification"
    "bitbucket.org": _BITBUCKET,
    "altssh.bitbucket.org": _BITBUCKET,
    # docs.codeberg.org/security/ssh-fingerprint
    "codeberg.org": _CODEBERG,
}
"""Ed25519, ECDSA and RSA of each, by host name without a final dot."""


def published(host: str) -> frozenset[str] | None:
    return PUBLISHED.get(host.rstrip("."))


def fingerprint(key: bytes) -> str:
    """As OpenSSH shows it."""
    return "SHA256:" + b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def vouch(host: str, algorithm: str, shown: str, pinned: str) -> str | None:
    """None for a server that is known; else the key to pin from now on. Raises `source_host_key_changed`."""
    if (known := published(host)) is not None:
        if shown in known:
            return None
        raise EngineError(
            "source_host_key_changed",
            f"{host} shows the host key {shown}, which is none of those that it publishes. Somebody may be "
            "between this server and it; nothing was sent.",
            detail="host_key_unpublished",
            host=host,
            fingerprint=shown,
        )
    if not pinned:
        return f"{algorithm} {shown}"
    if pinned.partition(" ")[2] == shown:
        return None
    raise EngineError(
        "source_host_key_changed",
        f"{host} shows the host key {shown}, but showed {pinned.partition(' ')[2]} before. Either the server "
        "was set up anew, or somebody is between this one and it; nothing was sent. If you know that it was "
        "set up anew, forget the old key in the service's source.",
        host=host,
        fingerprint=shown,
        before=pinned.partition(" ")[2],
    )
