"""The stage of a generated Dockerfile that installs a Node.js app's packages and runs its build script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from backend.engines import detect
from backend.engines.docker.bases import index_arguments

ENVIRONMENT = ["ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH"]
_LOCKS = {
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
}
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml")
_HOOKS = frozenset({"preinstall", "install", "postinstall", "prepare"})
_LOCAL = re.compile(r"(?:file|link|workspace|portal|patch):")


def stage(root: Path, node: detect.Node, image: str) -> list[str]:
    manager = _Manager(root, node)
    lines = [
        f"FROM {image} AS gavan-node",
        *index_arguments("NPM_CONFIG_"),
        "ENV CI=true NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false NPM_CONFIG_UPDATE_NOTIFIER=false"
        " YARN_NODE_LINKER=node-modules YARN_ENABLE_TELEMETRY=0",
        *([f"RUN npm install --global {manager.package}"] if node.install and manager.package else ()),
        "FROM gavan-node AS node-build",
        *index_arguments("NPM_CONFIG_"),
        "WORKDIR /app",
    ]
    early = node.install and not _needs_sources(root)
    if early:
        lines += [f"COPY {' '.join(f'app/{name}' for name in manager.files)} ./", manager.install]
    lines.append("COPY app ./")
    if node.install and not early:
        lines.append(manager.install)
    if node.build:
        lines.append(f"RUN {manager.name} run build" if node.install else "RUN npm run build")
        if node.install and node.development:
            lines.append(manager.prune)
    return lines


class _Manager:
    """The commands of the package manager whose lock file lies in the tree."""

    def __init__(self, root: Path, node: detect.Node) -> None:
        self.name = node.manager
        locks = [name for name in _LOCKS[self.name] if detect.is_file(root / name)]
        settings = [name for name in _SETTINGS if detect.is_file(root / name)]
        self.files = ["package.json", *locks, *settings]
        version = _version(root, self.name)
        omit = not node.build
        if self.name == "npm":
            self.package = ""
            self.install = f"RUN npm {'ci' if node.locked else 'install'}{' --omit=dev' if omit else ''}"
            self.prune = "RUN npm prune --omit=dev"
        elif self.name == "pnpm":
            self.package = f"pnpm@{version or '10'}"
            self.install = f"RUN pnpm install --frozen-lockfile{' --prod' if omit else ''}"
            self.prune = "RUN pnpm prune --prod"
        elif (detect.read_text(root, "yarn.lock") or "").find("\n__metadata:") < 0:
            self.package = f"yarn@{version or '1'}"
            self.install = f"RUN yarn install --frozen-lockfile{' --production' if omit else ''}"
            self.prune = "RUN yarn install --frozen-lockfile --production --ignore-scripts --prefer-offline"
        else:
            self.package = f"@yarnpkg/cli-dist@{version or '4'}"
            self.prune = "RUN yarn workspaces focus --all --production"
            self.install = self.prune if omit else "RUN yarn install --immutable"


def _version(root: Path, manager: str) -> str:
    """What package.json says of the manager's version, when it says it plainly."""
    said = _package(root).get("packageManager")
    found = re.match(rf"{manager}@(\d{{1,3}}\.\d{{1,4}}\.\d{{1,4}})(?![\w.-])", str(said), re.ASCII)
    return found[1] if found else ""


def _needs_sources(root: Path) -> bool:
    """Whether installing packages reads more of the tree than what names them."""
    package = _package(root)
    scripts = package.get("scripts")
    dependencies = json.dumps([package.get(name) for name in ("dependencies", "devDependencies")])
    return bool(
        (isinstance(scripts, dict) and _HOOKS & scripts.keys())
        or {"workspaces", "patchedDependencies", "pnpm"} & package.keys()
        or any(detect.is_file(root / name) for name in ("pnpm-workspace.yaml", "lerna.json", ".yarnrc.yml"))
        or _LOCAL.search(dependencies)
    )


def _package(root: Path) -> dict[str, Any]:
    try:
        content = json.loads(detect.read_text(root, "package.json") or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
