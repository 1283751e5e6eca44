"""What a tree is taken for, how it is built and how it is started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from backend.engines import detect
from backend.engines.base import EngineError
from backend.engines.detect import Node, Plan
from backend.engines.startup import shell_script

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "import flask\napp: flask.Flask = flask.Flask(__name__)\n"


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "plan"),
    [
        ({"Procfile": "web: ./run\n"}, Plan("procfile", command="./run")),
        (
            {"Procfile": "# x\nworker: y\n web :  ./run --port $PORT  \r\n", "requirements.txt": ""},
            Plan("procfile", "requirements", command="./run --port $PORT", processes={"worker": "y"}),
        ),
        ({"requirements.txt": "flask", "app.py": FLASK}, Plan("python", "requirements")),
        ({"requirements.txt": "flask", "main.py": "print()"}, Plan("python", "requirements")),
        (
            {"pyproject.toml": "[project]\nname='a'", "main.py": FASTAPI},
            Plan("python", "dependencies"),
        ),
        (
            {"pyproject.toml": "[project]\nname='a'\n[build-system]\nrequires=[]", "main.py": FASTAPI},
            Plan("python", "project"),
        ),
        (
            {"pyproject.toml": "[project]\nname='a'", "uv.lock": "", "main.py": FASTAPI},
            Plan("python", "lock"),
        ),
        (
            {"pyproject.toml": "[tool.ruff]", "requirements.txt": "", "main.py": ""},
            Plan("python", "requirements"),
        ),
        (
            {"package.json": '{"scripts": {"start": "node server.js"}}'},
            Plan("node", node=Node(False, False, False, False), command="node server.js"),
        ),
        (
            {"package.json": '{"scripts": {"start": "x", "prestart": "y"}, "dependencies": {"a": "1"}}'},
            Plan("node", node=Node(True, False, False, False), command="npm start"),
        ),
        (
            {
                "package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "1"}}',
                "package-lock.json": "{}",
                "index.html": "",
            },
            Plan("static", node=Node(True, True, True, True)),
        ),
        (
            {"package.json": '{"main": "./a b.js"}', "a b.js": ""},
            Plan("node", node=Node(False, False, False, False), command="node './a b.js'"),
        ),
        (
            {"package.json": "{}", "server.js": ""},
            Plan("node", node=Node(False, False, False, False), command="node server.js"),
        ),
        ({"package.json": '{"name": "tools"}', "index.html": ""}, Plan("static", command="gavan-static")),
        ({"index.html": "<p>"}, Plan("static", command="gavan-static")),
        ({"public/index.html": "<p>", "x": ""}, Plan("static", command="gavan-static public")),
        (
            {"requirements.txt": "", "package.json": '{"scripts": {"start": "node x"}}'},
            Plan("node", node=Node(False, False, False, False), command="node x"),
        ),
        (
            {"requirements.txt": "", "package.json": '{"dependencies": {"a": "1"}}', "Procfile": "web: x"},
            Plan("procfile", "requirements", Node(True, False, False, False), "x"),
        ),
    ],
)
def test_recognised(tmp_path: Path, files: dict[str, str], plan: Plan) -> None:
    assert detect.detect(tree(tmp_path, files)) == plan


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"README.md": "hi"}, "requirements.txt"),
        ({"Procfile": "worker: x\n"}, "no line `web:"),
        ({"Procfile": ""}, "no line `web:"),
        ({"requirements.txt": "flask"}, "main.py"),
        ({"pyproject.toml": "not toml ["}, "pyproject.toml is not valid"),
        ({"package.json": "{"}, "not valid JSON"),
        ({"package.json": "[]"}, "not a JSON object"),
        ({"package.json": '{"scripts": {"start": "a\\nb"}}'}, "neither a start script"),
        ({"package.json": '{"main": "../../etc/x.js"}'}, "neither a start script"),
        ({"deep/index.html": ""}, "index.html"),
    ],
)
def test_unrecognised(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(EngineError) as caught:
        detect.detect(tree(tmp_path, files))
    assert caught.value.code == "app_unrecognised"
    assert words in caught.value.message


def test_links_and_devices_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("web: cat /etc/shadow")
    root = tmp_path / "root"
    root.mkdir()
    (root / "Procfile").symlink_to(secret)
    os.mkfifo(root / "package.json")
    (root / "index.html").symlink_to(secret)
    (root / "public").symlink_to(tmp_path)
    (tmp_path / "index.html").write_text("")
    with pytest.raises(EngineError):
        detect.detect(root)


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        ({"main.py": FASTAPI}, ("main", "app", "asgi")),
        ({"app.py": FLASK}, ("app", "app", "wsgi")),
        ({"main.py": "print()", "app.py": FLASK}, ("app", "app", "wsgi")),
        ({"main.py": "print()"}, ("main.py", None, "script")),
        ({"main.py": "syntax error("}, ("main.py", None, "script")),
        ({"main.py": "async def app(scope, receive, send): ..."}, ("main", "app", "asgi")),
        ({"wsgi.py": "def application(environ, start): ..."}, ("wsgi", "application", "wsgi")),
        (
            {"manage.py": "DJANGO_SETTINGS_MODULE", "site/wsgi.py": ""},
            ("site.wsgi", "application", "wsgi"),
        ),
        ({"other.py": FASTAPI}, None),
    ],
)
def test_python_entry(tmp_path: Path, files: dict[str, str], entry: tuple[str, str | None, str]) -> None:
    assert detect.python_entry(tree(tmp_path, files)) == entry


@pytest.mark.parametrize(
    ("source", "tools", "command"),
    [
        (FASTAPI, ["uvicorn"], "uvicorn main:app --host 127.0.0.1 --port $PORT"),
        (FASTAPI, ["hypercorn"], "hypercorn main:app --bind 127.0.0.1:$PORT"),
        (FASTAPI, [], "python main.py"),
        (FLASK, ["gunicorn", "flask"], "gunicorn --bind 127.0.0.1:$PORT --access-logfile - main:app"),
        (FLASK, ["flask"], "flask --app main:app run --host 127.0.0.1 --port $PORT"),
        ("print()", ["uvicorn", "gunicorn"], "python main.py"),
    ],
)
def test_python_command(tmp_path: Path, source: str, tools: list[str], command: str) -> None:
    root = tree(tmp_path / "app", {"main.py": source})
    assert detect.python_command(root, tools.__contains__) == command


@pytest.mark.parametrize(
    "command",
    ["gunicorn app:app", "./run --x='a b' $PORT", "/usr/bin/env python main.py", "node --max-old=1 a.js"],
)
def test_simple_commands_replace_the_shell(command: str) -> None:
    assert shell_script(command) == f"exec {command}"


@pytest.mark.parametrize(
    "command",
    [
        "cd x && ./run",
        "A=1 ./run",
        "a; b",
        "a | b",
        "{ a; }",
        "( a )",
        "$(a)",
        "",
        "! a",
        ". ./x",
        "a &",
        "exec a",
        "a > b",
    ],
)
def test_around_other_commands_the_shell_stays(command: str) -> None:
    assert shell_script(command) == f"trap 'exit 143' TERM INT\n{command}"
