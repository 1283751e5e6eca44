"""What a container gets beside its image: scratch space in memory, volumes, and secret files."""

from __future__ import annotations

import hashlib
import hmac
import posixpath
from collections.abc import Sequence

from docker import APIClient
from docker.types import Mount, Placement, SecretReference

from backend.engines.base import ReleaseSpec, SecretFile, VolumeMount
from backend.engines.docker import names


def of_volumes(instance: str, volumes: Sequence[VolumeMount]) -> list[Mount]:
    """Nothing of the image is copied into them: what a volume holds is the app's alone."""
    return [
        Mount(volume.path, names.volume_name(instance, volume.volume_id), type="volume", no_copy=True)
        for volume in volumes
    ]


def placement(volumes: Sequence[VolumeMount], image_node: str = "") -> Placement | None:
    """Where the data lies, and the image."""
    nodes = sorted({node for node in (image_node, *(volume.node for volume in volumes)) if node})
    return Placement(constraints=[f"node.id=={node}" for node in nodes]) if nodes else None


def without(paths: Sequence[str], volumes: Sequence[VolumeMount]) -> list[str]:
    """Those at which no volume is."""
    taken = {volume.path for volume in volumes}
    return [path for path in map(posixpath.normpath, paths) if path not in taken]


def secret_files(client: APIClient, instance: str, spec: ReleaseSpec, key: bytes) -> list[SecretReference]:
    """The release's files as Swarm secrets, made where there are none. Under the lock of `releases.py`."""
    labels = names.labels(instance, deployment=spec.deployment_id)
    return files_as(client, spec, key, names.release_name(instance, spec.deployment_id), labels)


def files_as(
    client: APIClient, spec: ReleaseSpec, key: bytes, prefix: str, labels: dict[str, str]
) -> list[SecretReference]:
    """The same for whoever else runs with the release's files: secrets of its own, that go when it goes."""
    references = []
    for file in spec.files:
        name = f"{prefix}-{_digest(file, key)}"
        there = [one["ID"] for one in client.secrets(filters={"name": name}) if one["Spec"]["Name"] == name]
        identity = there[0] if there else client.create_secret(name, file.content, labels=labels)["ID"]
        references.append(SecretReference(identity, name, filename=file.path, mode=0o444))
    return references


def _digest(file: SecretFile, key: bytes) -> str:
    """Keyed, for anybody may read names."""
    return hmac.digest(key, file.path.encode() + b"\0" + file.content, hashlib.sha256).hex()[:8]
