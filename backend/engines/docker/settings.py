"""What the `docker` engine needs of the configuration; see `.env.example` for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from backend.engines.docker.bases import REGISTRIES, BaseImages
from backend.engines.docker.registrylogin import RegistryLogin


@dataclass(frozen=True, slots=True)
class DockerEngineSettings:
    home: Path
    host: str = "unix:///var/run/docker.sock"
    """Where the daemon listens: unix:///path, tcp://host:port, or ssh://user@host."""
    secret: bytes = field(default=b"", repr=False)
    """32 bytes; environments at rest are sealed with it."""
    swarm_address: str = "127.0.0.1"
    """Under which other nodes reach this one, and apps' ports are published; loopback for a single node."""
    port_range: tuple[int, int] = (20000, 29999)
    restarts: int = 6
    """How often an app that keeps ending is tried again, after pauses that grow."""
    allowed_private: tuple[str, ...] = ()
    """`host:port` or CIDR that sources may be fetched from although the address is not public."""
    fetch_timeout: float = 120
    fetch_max_bytes: int = 512 * 2**20
    build_timeout: float = 900
    build_max_bytes: int = 2 * 2**30
    image_max_bytes: int = 4 * 2**30
    """Of an image that is a service's source, unpacked."""
    ca_bundle: Path | None = None
    """Certificates (PEM) that builds trust in place of their image's: a company's, and the public ones."""
    build_cgroup_parent: str = ""
    """In which builds run: a cgroup, or a slice of systemd, that the operator has limited."""
    build_reserve_bytes: int = 2 * 2**30
    """Of the daemon's disk, which builds leave free."""
    registries: tuple[str, ...] = REGISTRIES
    """Hosts, with a port that is not the usual one, that images may be fetched from."""
    shared: RegistryLogin | None = None
    """The registry from which nodes get customers' images; without one those run where they were built."""
    node_socket: str = "/var/run/docker.sock"
    """Where the Docker of each other node listens, for old images to be removed there; empty to keep them."""
    images: BaseImages = field(default_factory=BaseImages)
