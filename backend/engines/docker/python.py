"""The stage of a generated Dockerfile that installs a Python app's packages."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from backend.engines.detect import is_file
from backend.engines.docker import packages
from backend.engines.docker.bases import index_arguments

VENV = "/opt/venv"
FINAL = [
    f"ENV PATH={VENV}/bin:$PATH VIRTUAL_ENV={VENV} PYTHONUNBUFFERED=1",
    f"COPY --from=python-build {VENV} {VENV}",
]
POETRY = "poetry>=2,<3"
_UV = "/opt/uv/bin/uv"
_SOURCES = "COPY app ./"


def stage(root: Path, source: str, image: str) -> list[str]:
    """`source` is where the plan says that dependencies are named."""
    name, wanted = ("poetry", f"'{POETRY}'") if source == "poetry" else ("uv", f"uv=={version('uv')}")
    return [
        f"FROM {image} AS gavan-python",
        *index_arguments("PIP_"),
        f"RUN python3 -m venv /opt/{name} && /opt/{name}/bin/pip install --no-cache-dir {wanted}"
        f" && python3 -m venv {VENV}",
        "FROM gavan-python AS python-build",
        *index_arguments("PIP_", "UV_"),
        "WORKDIR /app",
        f"ENV PATH={VENV}/bin:$PATH VIRTUAL_ENV={VENV} UV_PROJECT_ENVIRONMENT={VENV}"
        " UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_NO_PROGRESS=1 UV_LINK_MODE=copy"
        " POETRY_VIRTUALENVS_CREATE=false POETRY_NO_INTERACTION=1",
        *_steps(root, source),
    ]


def _steps(root: Path, source: str) -> list[str]:
    install = f"RUN {_UV} pip install"
    if source == "requirements":
        if packages.installs_local_files(root):
            return [_SOURCES, f"{install} -r requirements.txt"]
        return ["COPY app/requirements.txt ./", f"{install} -r requirements.txt"]
    if source == "lock":
        sync = f"RUN {_UV} sync --frozen --no-dev"
        return [
            "COPY app/pyproject.toml app/uv.lock ./",
            f"{sync} --no-install-project --no-install-workspace --no-install-local",
            _SOURCES,
            sync,
        ]
    if source == "poetry":
        install = "RUN /opt/poetry/bin/poetry install --only main --no-cache"
        steps = ["COPY app/pyproject.toml app/poetry.lock ./", f"{install} --no-root", _SOURCES]
        return [*steps, install] if _is_package(root) else steps
    dependencies = ["COPY app/pyproject.toml ./", f"{install} -r pyproject.toml"]
    if source == "dependencies":
        return dependencies
    static = packages.names_dependencies(root)
    return [*(dependencies if static else []), _SOURCES, f"{install} ."]


def _is_package(root: Path) -> bool:
    """Whether Poetry will find the project's own package, without which it refuses to install the project."""
    name = packages.project_name(root).replace("-", "_").replace(".", "_")
    return any(is_file(folder / name / "__init__.py") for folder in (root, root / "src") if name)
