"""What a private repository is read with. Apart from the contract, as `errors.py` is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Access:
    """Secrets of one source; shown to `origin` (`https://git.example.com:443`) and to nobody else, and there
    for repositories of the source's owner only."""

    origin: str
    username: str = ""
    """Beside a token; empty for what the forge of this host expects."""
    token: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    """Ed25519, in OpenSSH's format."""
    host_key: str = ""
    """`<algorithm> SHA256:<digest>`, as the ssh server showed it the first time; empty before that."""
