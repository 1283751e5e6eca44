"""A release's specification as JSON and back: kept while nothing of the release is in the daemon."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from backend.engines.base import (
    HealthKind,
    Limits,
    ProcessSpec,
    ReleaseSpec,
    Restart,
    SecretFile,
    VolumeMount,
)


def to_json(spec: ReleaseSpec) -> dict[str, Any]:
    files = [{"path": file.path, "content": base64.b64encode(file.content).decode()} for file in spec.files]
    return {**asdict(spec), "files": files}


def from_json(content: dict[str, Any]) -> ReleaseSpec:
    """Also of one that was written before there was all that there is now."""
    known: dict[str, Any] = {"limits": Limits(**content["limits"])}
    if "processes" in content:
        known["processes"] = tuple(ProcessSpec(**process) for process in content["processes"])
    if "restart" in content:
        known["restart"] = Restart(content["restart"])
    if "health" in content:
        known["health"] = HealthKind(content["health"])
    known["volumes"] = tuple(VolumeMount(**mount) for mount in content.get("volumes", ()))
    known["files"] = tuple(
        SecretFile(file["path"], base64.b64decode(file["content"])) for file in content.get("files", ())
    )
    return ReleaseSpec(**{**content, **known})
