"""Where the registry of the operator's is, and who the panel is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    url: str
    """`https://host:port`, and a path if images go below one; http only where the daemons accept that."""
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """As Docker calls it."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """How the names of images begin that lie there."""
        parts = urlsplit(self.url)
        return f"{parts.netloc}{parts.path.rstrip('/')}"

    def credentials(self) -> dict[str, str]:
        return {"username": self.user, "password": self.password, "serveraddress": self.host}
