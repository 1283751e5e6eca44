"""Releases' variables as Swarm secrets: encrypted in the swarm's store, in memory where the app runs.

Both functions are called under the lock of `releases.py`.
"""

from __future__ import annotations

from docker import APIClient

from backend.engines.base import EngineError, ReleaseSpec
from backend.engines.docker import names, template

LARGEST = 500 * 1000
"""Bytes that Swarm takes in one secret."""


def ensure(
    client: APIClient, instance: str, spec: ReleaseSpec, key: bytes, image: template.Image
) -> tuple[str, str] | None:
    """Id and name of the release's secret; None without anything to hide, or to open it with."""
    script = template.script_of_environment(spec)
    if not script or not image.has_shell:
        return None
    if len(script) > LARGEST:
        message = f"The variables of a service may take {LARGEST // 1000} kB together."
        raise EngineError("variable_invalid", message, detail="variables_too_large", limit_bytes=LARGEST)
    name = template.secret_name(instance, spec, key)
    for secret in client.secrets(filters={"name": name}):
        if secret["Spec"]["Name"] == name:
            return secret["ID"], name
    labels = names.labels(instance, deployment=spec.deployment_id)
    return client.create_secret(name, script, labels=labels)["ID"], name


def drop_unused(client: APIClient, instance: str, **ids: str) -> None:
    """Remove those of `instance` (and `deployment`) that no service refers to."""
    mine = names.mine(instance, **ids)
    used = {
        secret["SecretID"]
        for service in client.services(filters=mine)
        for secret in service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Secrets") or ()
    }
    for secret in client.secrets(filters=mine):
        if secret["ID"] not in used:
            client.remove_secret(secret["ID"])
