"""The Dockerfiles that are written for apps without one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from backend.engines import detect
from backend.engines.docker import ownfile
from backend.engines.docker.bases import BaseImages, build_arguments
from backend.engines.docker.dockerfile import Recipe, generate
from tests.engines.images.conftest import lay

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
PROJECT = "[project]\nname = 'shop'\ndependencies = ['fastapi', 'uvicorn']\n"
BACKEND = "[build-system]\nrequires = []\n"
START = '{"scripts": {"start": "node server.js"}, "dependencies": {"a": "1"}}'
SITE = '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "1"}}'


def recipe(root: Path, files: Mapping[str, str]) -> Recipe:
    return generate(lay(root, files), detect.detect(root), BaseImages())


def after(text: str, *wanted: str) -> None:
    """The wanted pieces are there, in this order."""
    at = 0
    for piece in wanted:
        assert piece in text[at:], (piece, text)
        at = text.index(piece, at) + len(piece)


@pytest.mark.parametrize(
    ("files", "pieces", "command"),
    [
        (
            {"requirements.txt": "flask\ngunicorn\n", "app.py": "import flask\napp = flask.Flask('x')\n"},
            [
                "app/requirements.txt ./",
                "uv pip install -r requirements.txt",
                "COPY --chown=1000:1000 app /app",
            ],
            "gunicorn --bind 0.0.0.0:$PORT --access-logfile - app:app",
        ),
        (
            {"requirements.txt": "-r base.txt\n", "base.txt": "fastapi[standard]\n", "main.py": FASTAPI},
            ["COPY app ./", "uv pip install -r requirements.txt"],
            "uvicorn main:app --host 0.0.0.0 --port $PORT",
        ),
        (
            {"pyproject.toml": PROJECT, "main.py": FASTAPI},
            ["COPY app/pyproject.toml ./", "uv pip install -r pyproject.toml"],
            "uvicorn main:app --host 0.0.0.0 --port $PORT",
        ),
        (
            {"pyproject.toml": PROJECT + BACKEND, "main.py": FASTAPI},
            ["uv pip install -r pyproject.toml", "COPY app ./", "uv pip install ."],
            "uvicorn main:app --host 0.0.0.0 --port $PORT",
        ),
        (
            {
                "pyproject.toml": PROJECT,
                "uv.lock": '[[package]]\nname = "hypercorn"\nversion = "1"\n',
                "main.py": FASTAPI,
            },
            [
                "COPY app/pyproject.toml app/uv.lock ./",
                "--no-install-project",
                "COPY app ./",
                "uv sync --frozen",
            ],
            "uvicorn main:app --host 0.0.0.0 --port $PORT",
        ),
        (
            {
                "pyproject.toml": "[tool.poetry]\nname = 'my-shop'\n" + BACKEND,
                "poetry.lock": '[[package]]\nname = "Quart"\n\n[[package]]\nname = "hypercorn"\n',
                "my_shop/__init__.py": "",
                "main.py": "from quart import Quart\napp = Quart('x')\n",
            },
            [
                "app/poetry.lock",
                "install --only main --no-cache --no-root",
                "COPY app ./",
                "install --only main",
            ],
            "hypercorn main:app --bind 0.0.0.0:$PORT",
        ),
        (
            {"package.json": START, "package-lock.json": "{}"},
            ["COPY app/package.json app/package-lock.json ./", "RUN npm ci --omit=dev", "COPY app ./"],
            "node server.js",
        ),
        (
            {
                "package.json": START.replace("{", '{"packageManager": "pnpm@9.1.2+sha", ', 1),
                "pnpm-lock.yaml": "",
            },
            [
                "npm install --global pnpm@9.1.2\n",
                "app/pnpm-lock.yaml",
                "RUN pnpm install --frozen-lockfile --prod",
            ],
            "node server.js",
        ),
        (
            {"package.json": START, "yarn.lock": "# yarn lockfile v1\n"},
            ["npm install --global yarn@1\n", "RUN yarn install --frozen-lockfile --production"],
            "node server.js",
        ),
        (
            {"package.json": START, "yarn.lock": "# made\n\n__metadata:\n  version: 8\n"},
            ["npm install --global @yarnpkg/cli-dist@4\n", "RUN yarn workspaces focus --all --production"],
            "node server.js",
        ),
        (
            {"package.json": START.replace("node server.js", 'x", "postinstall": "y')},
            ["COPY app ./", "RUN npm install --omit=dev"],
            "x",
        ),
        (
            {"package.json": SITE, "index.html": ""},
            [
                "RUN npm install\n",
                "COPY app ./",
                "RUN npm run build",
                "RUN npm prune",
                "RUN for folder in dist",
            ],
            "python3 -I -S /usr/local/bin/gavan-static /srv/site",
        ),
        (
            {"public/index.html": ""},
            ["FROM gavan-base", "COPY app /srv/site", "COPY gavan/static.py"],
            "python3 -I -S /usr/local/bin/gavan-static /srv/site/public",
        ),
        (
            {"go.mod": "module shop\n", "go.sum": "", "main.go": "package main\n"},
            ["COPY app/go.mod app/go.sum ./", "RUN go mod download", "COPY app ./", "go build -o bin/app ."],
            "bin/app",
        ),
        (
            {
                "go.mod": "module shop\n",
                "cmd/web/main.go": "// web\npackage main\n",
                "vendor/modules.txt": "",
            },
            ["FROM golang:1", "COPY app ./", "go build -o bin/app ./cmd/web"],
            "bin/app",
        ),
        (
            {"go.mod": "module shop\n", "Procfile": "web: bin/shop --port $PORT\n"},
            [
                "go build -o bin/ ./...",
                "FROM debian:stable-slim",
                "COPY --from=go-build --chown=1000:1000 /src/bin",
            ],
            "bin/shop --port $PORT",
        ),
        (
            {"Procfile": "web: gunicorn shop\n", "requirements.txt": "gunicorn", "package.json": SITE},
            ["FROM node:22-slim", "rm -rf node_modules", "--from=node-build /app /app"],
            "gunicorn shop",
        ),
        (
            {"Procfile": "web: node x.js\n", "requirements.txt": "gunicorn", "package.json": START},
            ["FROM node:22-slim", "ENV NODE_ENV=production"],
            "node x.js",
        ),
        ({"Procfile": "web: ./run\n"}, ["FROM python:3.12-slim", "COPY --chown=1000:1000 app /app"], "./run"),
    ],
)
def test_generated(tmp_path: Path, files: dict[str, str], pieces: list[str], command: str) -> None:
    made = recipe(tmp_path, files)
    after(made.text, *pieces, "USER 1000:1000", "CMD [")
    assert made.command == command
    final = made.text[made.text.rindex("\nFROM ") :]
    assert "ARG" not in final
    assert json.loads(final[final.index("CMD ") + 4 :])[:2] == ["/bin/sh", "-c"]
    assert ownfile.read(made.text).images, "what is generated keeps the rules for Dockerfiles"


def test_servers_in_a_large_lock(tmp_path: Path) -> None:
    padding = "".join(f'[[package]]\nname = "p{number}"\nhash = "{"x" * 900}"\n\n' for number in range(2000))
    lock = padding + '[[package]]\nname = "uvicorn"\n'
    files = {"pyproject.toml": "[project]\nname = 'a'\n", "uv.lock": lock, "main.py": FASTAPI}
    assert recipe(tmp_path, files).command.startswith("uvicorn")


HOSTILE = [
    "a\\nRUN touch /owned",
    'b"] \\nUSER root\\nCMD ["sh',
    "c\\\\",
    "$(touch /owned) ${PATH} `id`",
    "\\u2028USER root",
    "\\ud800",
    "# x",
    "<<EOF",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_of_a_repository_adds_an_instruction(tmp_path: Path, value: str) -> None:
    said = json.loads(f'"{value}"') if '"' not in value else value
    plain = recipe(tmp_path / "plain", {"package.json": START, "server.js": ""})
    for number, package in enumerate(
        (
            {"name": said, "main": "server.js", "packageManager": f"pnpm@1.2.3{said}", "version": said},
            {"scripts": {"start": said.replace("\n", " "), said: said}},
            {"scripts": {"start": "node server.js"}, "dependencies": {said: said}, "engines": said},
        )
    ):
        files = {
            "package.json": json.dumps(package),
            "server.js": "",
            "pnpm-lock.yaml": said.replace("\ud800", ""),
        }
        made = recipe(tmp_path / str(number), files)
        words = [line.split(" ")[0] for line in made.text.split("\n") if line]
        assert set(words) <= {line.split(" ")[0] for line in plain.text.split("\n") if line}
        assert len(made.text.splitlines()) == len(made.text.split("\n")) - 1
        assert words.count("USER") == words.count("CMD") == 1
    files = {"Procfile": f"web: x {said}\n".replace("\ud800", ""), "requirements.txt": "flask\n"}
    made = recipe(tmp_path / "procfile", files)
    instructions = [line for line in made.text.split("\n") if line]
    assert all(re.match(r"(FROM|ARG|RUN|ENV|WORKDIR|COPY|USER|EXPOSE|CMD) ", line) for line in instructions)
    assert sum(line.startswith("USER ") for line in instructions) == 1


def test_names_of_folders_stay_in_the_command(tmp_path: Path) -> None:
    files = {
        "manage.py": "DJANGO_SETTINGS_MODULE",
        "requirements.txt": "django",
        "a\nUSER root\nb/wsgi.py": "",
    }
    assert "\nUSER root" not in recipe(tmp_path, files).text
    cmd = {"go.mod": "module x", "cmd/a b; rm/main.go": "package main\n"}
    with pytest.raises(detect.EngineError):
        recipe(tmp_path / "go", cmd)


def test_addresses_of_registries_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.test/simple")
    monkeypatch.setenv("UV_INDEX_URL", "file:///srv/simple")
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("SECRET_KEY", "x")
    assert build_arguments({"PIP_INDEX_URL", "UV_INDEX_URL", "SECRET_KEY"}) == {
        "PIP_INDEX_URL": "https://pip.test/simple",
        "HTTPS_PROXY": "http://proxy.test:3128",
    }
    assert "PIP_INDEX_URL" not in build_arguments(set()), "docker warns of those that nobody takes"


@pytest.mark.parametrize(
    "value",
    [
        "https://user:password@pip.test/simple",
        "http://token@proxy.test:3128",
        "user:password@proxy.test:3128",
        "https://a.test https://u:p@b.test",
        "https://goproxy.test,https://u:p@b.test|direct",
    ],
)
def test_passwords_of_the_operator_are_not(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", value)
    monkeypatch.setenv("HTTPS_PROXY", value)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://npm.test/@scope")
    found = build_arguments({"PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"})
    assert found.keys() & {"PIP_INDEX_URL", "HTTPS_PROXY"} == set()
    assert found["NPM_CONFIG_REGISTRY"] == "https://npm.test/@scope"


def test_no_requirements_stretch_the_time(tmp_path: Path) -> None:
    began = time.monotonic()
    for number, requirements in enumerate(
        ("x" * 1_000_000, " " * 1_000_000, "\n" * 1_000_000, "x @ " * 250_000)
    ):
        recipe(tmp_path / str(number), {"requirements.txt": requirements, "main.py": ""})
    recipe(tmp_path / "web", {"Procfile": "web: x" + " " * 900_000 + "y\n"})
    assert time.monotonic() - began < 5
