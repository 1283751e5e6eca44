"""What holds for every connection of one fetch: to the repository itself, and to its submodules."""

from __future__ import annotations

import base64
from urllib.parse import unquote

from backend.engines.access import Access
from backend.engines.addresses import Allowed, Remote, Resolver, forbidden, system_resolver
from backend.engines.errors import EngineError, Retry
from backend.engines.text import human_size

USERNAMES = {"github.com": "x-access-token", "bitbucket.org": "x-token-auth"}
"""Beside a token whose owner named none: what these forges ask for. GitLab takes any for its access
tokens, Gitea and Forgejo too; GitLab's deploy tokens have usernames of their own, which one has to give."""
USUAL_USERNAME = "oauth2"


def too_large(limit: int) -> EngineError:
    message = f"The repository is larger than the {human_size(limit)} allowed."
    return EngineError("source_too_large", message, limit_bytes=limit)


def unreachable(message: str, detail: str, *, retry: bool = True, **values: str | int) -> EngineError:
    again = Retry.BACKOFF if retry else Retry.NEVER
    return EngineError("source_unreachable", message, retry=again, detail=detail, **values)


def check_secrecy(remote: Remote, allowed: Allowed) -> None:
    """A token travels encrypted, or inside the network that the operator opened."""
    if remote.scheme == "http" and not allowed.opened(remote.host, remote.port):
        message = "A token is not sent over plain http. Give the repository's https:// address."
        raise forbidden(message, "token_unprotected")


def owner_of(remote: Remote) -> str | None:
    """The folder that a repository is in, `team` of `/team/app.git`: on a forge, whose repository it is.

    None where a server could read the address as leading out of that folder.
    """
    folder, _, name = remote.path.strip("/").rpartition("/")
    name = unquote(name)
    return None if name in ("", ".", "..") or any(sign in name for sign in "/\\%") else folder


class Guard:
    """Of `source` itself its access opens everything that its server sends on; of submodules, its owner's.

    A token usually reads more than one repository. Who may push to this one could otherwise name any other
    as a submodule, and have it built into an app that shows it.
    """

    def __init__(
        self,
        *,
        source: Remote,
        allowed: Allowed,
        max_bytes: int,
        access: Access | None = None,
        resolver: Resolver = system_resolver,
    ) -> None:
        self.allowed, self.resolver, self.max_bytes = allowed, resolver, max_bytes
        self._source, self._access = source, access
        self.received = 0
        self.new_host_key: str | None = None
        """Of the ssh server that was trusted for the first time."""

    def count(self, piece: bytes) -> bytes:
        self.received += len(piece)
        if self.received > self.max_bytes:
            raise too_large(self.max_bytes)
        return piece

    def check_secrecy(self, remote: Remote) -> None:
        if (access := self.access_to(remote)) is not None and access.token:
            check_secrecy(remote, self.allowed)

    def access_to(self, repository: Remote) -> Access | None:
        """What this repository is read with."""
        return None if self.withheld_from(repository) is not None else self._access_at(repository)

    def withheld_from(self, repository: Remote) -> str | None:
        """Whose repositories the access is for, where this one is on the same server and somebody else's."""
        source = self._source
        if self._access_at(repository) is None or repository == source:
            return None
        owner = owner_of(source)
        same = repository.user == source.user and owner is not None and owner_of(repository) == owner
        return None if same else f"{source.host}/{source.path.strip('/').rpartition('/')[0]}".rstrip("/")

    def _access_at(self, remote: Remote) -> Access | None:
        return self._access if self._access and self._access.origin == remote.origin else None


def authorization(access: Access | None, remote: Remote) -> str | None:
    """The header for this host; None where there is no token for it, as behind a redirect."""
    if access is None or not access.token or access.origin != remote.origin:
        return None
    username = access.username or USERNAMES.get(remote.host, USUAL_USERNAME)
    return "Basic " + base64.b64encode(f"{username}:{access.token}".encode()).decode()
