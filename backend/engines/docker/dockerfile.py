"""Writes the Dockerfile of an app that brings none, from what `detect` found.

Of the tree only checked names get into the text, and commands as JSON: nothing that a repository
contains can add an instruction. Dependencies come before sources, so that a change of sources alone
finds them in the layer cache; what builds need (indexes, certificates, tools) stays in stages of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.engines import detect
from backend.engines.docker import golang, node, packages, python
from backend.engines.docker.bases import BaseImages
from backend.engines.docker.entry import container_script

PORT = 8080
SOURCES = "app"
"""The folder of the build context that holds the repository."""
SERVER = "gavan/static.py"
"""Where the context holds the program that serves static sites."""
SITE = "/srv/site"

# The commands differ between Debian and Alpine, and Node's images have a user of that number.
_USER = (
    "RUN (getent passwd 1000 || useradd --uid 1000 --create-home app || adduser -D -u 1000 app) >/dev/null"
    " && mkdir -p /app && chown 1000:1000 /app"
)
FIND_SITE = (
    f"RUN for folder in {' '.join(detect.BUILT_FOLDERS)}; do"
    f' if [ -f "$folder/index.html" ]; then mv "$folder" {SITE} && exit 0; fi; done;'
    f" echo 'The build left no index.html in {', '.join(detect.BUILT_FOLDERS)}.'; exit 1"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    text: str
    command: str
    """For people: what the image's CMD runs in a shell."""


def generate(root: Path, plan: detect.Plan, images: BaseImages) -> Recipe:
    """The Dockerfile for the tree in `root`, of which `plan` was found."""
    if plan.kind == "static":
        return _static(root, plan, images)
    if plan.node is not None and (plan.python is None or _starts_node(plan)) and plan.go is None:
        assert plan.command is not None
        stage = node.stage(root, plan.node, images.node)
        return _recipe(stage, images.node, plan.command, [*node.ENVIRONMENT, _app("node-build")])
    stages: list[str] = []
    final: list[str] = []
    image = images.python
    if plan.go is not None:
        stages += golang.stage(root, plan.go, images.go)
        image = images.python if plan.python else images.go_runtime
        final += golang.FINAL
    if plan.python is not None:
        stages += python.stage(root, plan.python, images.python)
        final += python.FINAL
    if plan.node is not None:
        # For what it builds: the packages themselves are of no use without Node.js.
        stages += [*node.stage(root, plan.node, images.node), "RUN rm -rf node_modules"]
    final.append(_app("node-build" if plan.node else None))
    if plan.go is not None:
        final.append("COPY --from=go-build --chown=1000:1000 /src/bin /app/bin")
    return _recipe(stages, image, _command(root, plan), final)


def _starts_node(plan: detect.Plan) -> bool:
    return (plan.command or "").split()[:1] in (["node"], ["npm"], ["npx"])


def _command(root: Path, plan: detect.Plan) -> str:
    if plan.command is not None:
        return plan.command
    installed = packages.commands(root, plan.python)
    return detect.python_command(root, installed.__contains__, host="0.0.0.0")  # noqa: S104


def _static(root: Path, plan: detect.Plan, images: BaseImages) -> Recipe:
    stages: list[str] = []
    if plan.command is None:
        assert plan.node is not None
        stages = [*node.stage(root, plan.node, images.node), FIND_SITE]
        site, folder = f"COPY --from=node-build {SITE} {SITE}", SITE
    else:
        site = f"COPY {SOURCES} {SITE}"
        folder = SITE if plan.command == detect.static_command(".") else f"{SITE}/public"
    server = f"COPY {SERVER} /usr/local/bin/gavan-static"
    return _recipe(
        stages, images.static, f"python3 -I -S /usr/local/bin/gavan-static {folder}", [site, server]
    )


def _app(stage: str | None) -> str:
    """Copies the app from a stage, or the sources as they are."""
    origin = f"--from={stage} /app" if stage else SOURCES
    return f"COPY --chown=1000:1000 {origin} /app"


def _recipe(stages: Sequence[str], image: str, command: str, final: Sequence[str]) -> Recipe:
    lines = [
        *stages,
        f"FROM {image} AS gavan-base",
        _USER,
        "WORKDIR /app",
        "FROM gavan-base",
        f"ENV PORT={PORT} HOST=0.0.0.0",
        *final,
        "USER 1000:1000",
        f"EXPOSE {PORT}",
        "CMD " + json.dumps(["/bin/sh", "-c", container_script(command)]),
    ]
    return Recipe("\n".join(lines) + "\n", command)
