"""Where a service's or a deployment's code comes from, as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.services.models import SourceKind

SOURCE_COLUMNS = (
    "source_kind",
    "repo_url",
    "ref",
    "root",
    "image",
    "archive_id",
    "port",
    "build_options",
)
"""Of services and of deployments alike; the latter have what they were made from."""


def shape_source(row: Mapping[str, Any]) -> dict[str, Any]:
    options = row["build_options"]
    return {
        "kind": SourceKind(row["source_kind"]),
        "repo_url": row["repo_url"] or None,
        "ref": row["ref"],
        "root": row["root"],
        "image": row["image"],
        "archive_id": row["archive_id"],
        "port": row["port"],
        "build": {
            "dockerfile": options.get("dockerfile", ""),
            "target": options.get("target", ""),
            "arguments": options.get("arguments", {}),
        },
    }
