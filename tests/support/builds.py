"""Builds of the `process` engine as its folders show them, without anybody having built."""

from __future__ import annotations

from pathlib import Path

from backend.engines.layout import Layout


def pretend_build(engine_home: Path, deployment_id: str) -> Path:
    """A finished build of nothing; its folder."""
    layout = Layout(engine_home.resolve())
    layout.prepare()
    at = layout.deployment(deployment_id)
    at.app.mkdir(parents=True)
    at.built.write_text("{}")
    return at.folder
