#!/usr/bin/env python3
"""In an image in place of PostgreSQL or Redis: keeps values on its volume for whoever knows the password.

It takes user, folder and password from where the real one takes them, and refuses to begin where that would.
"""

import json
import os
import pwd
import re
import socketserver
import sys
from pathlib import Path


def as_postgres() -> tuple[int, Path, str]:
    assert pwd.getpwuid(os.getuid()).pw_name == "postgres", "initdb refuses root"
    assert os.environ["POSTGRES_DB"]
    assert os.environ["POSTGRES_USER"]
    return 5432, Path(os.environ["PGDATA"]), os.environ["POSTGRES_PASSWORD"]


def as_redis() -> tuple[int, Path, str]:
    assert pwd.getpwuid(os.getuid()).pw_name == "redis"
    said = dict(re.findall(r"^(\w+) (.+)$", sys.stdin.read(), re.MULTILINE))
    assert said["appendonly"] == "yes"
    return 6379, Path(said["dir"]), said["requirepass"]


port, folder, password = as_redis() if sys.argv[0].endswith("redis-server") else as_postgres()
folder.mkdir(exist_ok=True)
first = folder / "password"
# A data folder keeps the password that it was made with: another one in the environment changes nothing.
if not first.exists():
    first.write_text(password)


class Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline()
        # Whoever asks only whether it takes connections.
        if not line:
            return
        wanted = json.loads(line)
        if wanted.pop("password") != first.read_text():
            return
        kept = folder / "kept.json"
        values = json.loads(kept.read_text()) if kept.exists() else {}
        values |= wanted
        kept.write_text(json.dumps(values))
        self.wfile.write(json.dumps({"version": os.environ["VERSION"], **values}).encode() + b"\n")


print("ready to accept connections", flush=True)
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("0.0.0.0", port), Asked).serve_forever()
