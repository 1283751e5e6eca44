"""Apps of all kinds become images that run."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from docker.errors import ImageNotFound

from backend.engines.base import BuildSpec
from tests.engines.images.conftest import Yard

FLASK = "from flask import Flask\napp = Flask(__name__)\n\n@app.get('/')\ndef home():\n    return 'hi'\n"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"


def serves(yard: Yard, spec: BuildSpec) -> str:
    """What the app answers at / from its container."""
    image = yard.images.reference(spec.service_id, spec.deployment_id)
    host = yard.client.create_host_config(init=True, port_bindings={8080: ("127.0.0.1", None)})
    made = yard.client.create_container(image, host_config=host, ports=[8080])["Id"]
    try:
        yard.client.start(made)
        port = yard.client.port(made, 8080)[0]["HostPort"]
        deadline = time.monotonic() + 30
        while True:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/").text.strip()
            except httpx.TransportError:
                assert time.monotonic() < deadline, yard.client.logs(made).decode()
                time.sleep(0.1)
    finally:
        yard.client.remove_container(made, force=True)


async def test_requirements_and_the_cache(yard: Yard) -> None:
    files = {"requirements.txt": "flask==3.1.*\n", "app.py": FLASK}
    spec, built = await yard.build(files)
    assert (built.kind, built.command) == ("python", "flask --app app:app run --host 0.0.0.0 --port $PORT")
    assert 1_000_000 < built.size_bytes < 100_000_000
    config = yard.image(spec)["Config"]
    assert config["User"] == "1000:1000"
    assert config["Cmd"] == ["/bin/sh", "-c", f"exec {built.command}"]
    assert "8080/tcp" in config["ExposedPorts"]
    assert config["Labels"]["gavan.deployment"] == spec.deployment_id
    assert not any(name.split("=")[0].startswith(("PIP_", "UV_", "SSL_")) for name in config["Env"])
    assert serves(yard, spec) == "hi"
    assert yard.run(spec, "sh", "-c", "touch mine && ls -n mine | cut -d' ' -f3,4") == "1000 1000\n"
    assert not yard.layout.deployment(spec.deployment_id).source.exists()
    assert yard.containers() == []

    yard.lines.clear()
    assert await yard.images.build(spec, yard.report) == built
    assert yard.lines == [], "what is built is not built again"

    began = time.monotonic()
    await yard.build({**files, "app.py": FLASK + "# changed\n"})
    assert time.monotonic() - began < 10
    assert "  (from the cache)" in yard.lines
    assert not any("Downloading" in line for line in yard.lines)


async def test_the_cache_is_one_of_the_project(yard: Yard) -> None:
    files = {
        "Dockerfile": 'FROM python:3.12-slim\nRUN head -c 8 /dev/urandom | base64 > /made\nCMD ["true"]\n'
    }
    first, _ = await yard.build(files)
    second, _ = await yard.build(files)
    yard.project = "another"
    third, _ = await yard.build(files)
    made = [yard.run(spec, "cat", "/made") for spec in (first, second, third)]
    assert made[0] == made[1]
    assert made[0] != made[2], "what one customer's build writes, no other reads"


async def test_uv_lock(yard: Yard) -> None:
    project = "[project]\nname = 'shop'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = []\n"
    lock = (
        'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "shop"\nversion = "1"\n'
        'source = { virtual = "." }\n'
    )
    spec, built = await yard.build(
        {
            "pyproject.toml": project,
            "uv.lock": lock,
            "main.py": "import http.server, os\n"
            "address = (os.environ['HOST'], int(os.environ['PORT']))\n"
            "http.server.test(http.server.SimpleHTTPRequestHandler, port=address[1], bind=address[0])\n",
            "index.html": "from uv",
        }
    )
    assert (built.kind, built.command) == ("python", "python main.py")
    assert serves(yard, spec) == "from uv"


async def test_fastapi_by_pyproject(yard: Yard) -> None:
    project = "[project]\nname = 'api'\nversion = '1'\ndependencies = ['fastapi', 'uvicorn']\n"
    app = FASTAPI + "@app.get('/')\ndef home():\n    return 'hi'\n"
    spec, built = await yard.build({"pyproject.toml": project, "main.py": app})
    assert built.command == "uvicorn main:app --host 0.0.0.0 --port $PORT"
    assert serves(yard, spec) == '"hi"'


async def test_django(yard: Yard) -> None:
    settings = "SECRET_KEY = 'x'\nROOT_URLCONF = 'site1.urls'\nALLOWED_HOSTS = ['*']\nDEBUG = False\n"
    urls = (
        "from django.http import HttpResponse\nfrom django.urls import path\n"
        "urlpatterns = [path('', lambda request: HttpResponse('django'))]\n"
    )
    environment = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')\n"
    files = {
        "requirements.txt": "django\ngunicorn\n",
        "manage.py": environment,
        "site1/__init__.py": "",
        "site1/settings.py": settings,
        "site1/urls.py": urls,
        "site1/wsgi.py": environment
        + "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    }
    spec, built = await yard.build(files)
    assert built.command.startswith("gunicorn --bind 0.0.0.0:$PORT")
    assert serves(yard, spec) == "django"


async def test_procfile_with_a_command_of_several(yard: Yard) -> None:
    server = "python3 -m http.server $PORT"
    spec, built = await yard.build(
        {"Procfile": f"web: echo begun && {server}\n", "index.html": "of a Procfile"}
    )
    assert (built.kind, built.command) == ("procfile", f"echo begun && {server}")
    assert serves(yard, spec) == "of a Procfile"
    made = yard.client.create_container(yard.images.reference(spec.service_id, spec.deployment_id))["Id"]
    try:
        yard.client.start(made)
        time.sleep(0.5)
        began = time.monotonic()
        yard.client.stop(made, timeout=8)
        assert time.monotonic() - began < 5, "SIGTERM reaches what runs beside the shell"
    finally:
        yard.client.remove_container(made, force=True)


async def test_node(yard: Yard) -> None:
    server = (
        "const isOdd = require('is-odd');\nrequire('http').createServer((_, answer) => answer.end("
        "String(isOdd(3)))).listen(process.env.PORT, process.env.HOST);\n"
    )
    package = {"scripts": {"start": "node server.js"}, "dependencies": {"is-odd": "3.0.1"}}
    spec, built = await yard.build({"package.json": json.dumps(package), "server.js": server})
    assert (built.kind, built.command) == ("node", "node server.js")
    assert yard.run(spec, "sh", "-c", "id -u; echo $NODE_ENV") == "1000\nproduction\n"
    assert serves(yard, spec) == "true"


@pytest.mark.parametrize("manager", ["pnpm", "yarn"])
async def test_other_package_managers(yard: Yard, manager: str) -> None:
    lock = {
        "pnpm": ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n"),
        "yarn": ("yarn.lock", "# yarn lockfile v1\n\n\n"),
    }[manager]
    package = {
        "scripts": {"build": "echo built by $npm_execpath > made", "start": "cat made", "prepare": "true"}
    }
    package["devDependencies"] = {}
    package["scripts"]["install"] = "true"
    spec, built = await yard.build({"package.json": json.dumps(package), lock[0]: lock[1]})
    assert built.command == "cat made"
    assert manager in yard.run(spec, "cat", "made")


async def test_go(yard: Yard) -> None:
    try:
        yard.client.inspect_image("golang:1")
    except ImageNotFound:
        pytest.skip("there is no golang:1 image here")
    program = (
        'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n\t"os"\n)\n\nfunc main() {\n'
        '\thttp.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "from Go") })\n'
        '\thttp.ListenAndServe(":"+os.Getenv("PORT"), nil)\n}\n'
    )
    spec, built = await yard.build({"go.mod": "module shop\n\ngo 1.18\n", "cmd/web/main.go": program})
    assert (built.kind, built.command) == ("go", "bin/app")
    assert serves(yard, spec) == "from Go"


async def test_static_sites(yard: Yard) -> None:
    spec, built = await yard.build({"index.html": "plain", "about.html": "about"})
    assert built.kind == "static"
    assert serves(yard, spec) == "plain"
    assert built.size_bytes < 2_000_000
    script = "mkdir -p dist && echo made by a script > dist/index.html"
    spec, built = await yard.build({"package.json": json.dumps({"scripts": {"build": script}})})
    assert built.kind == "static"
    assert serves(yard, spec) == "made by a script"
    error = await yard.failing({"package.json": '{"scripts": {"build": "true"}}'})
    assert (error.code, error.parameters["detail"]) == ("app_unrecognised", "build_left_nothing")
