#!/usr/bin/env python3
"""In an image in place of n8n: reaches its database and its broker as its environment says, or is not well.

`/?keep=word` keeps it in all three places. `n8n worker` tells the broker that it is there.
"""

import http.server
import json
import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

VERSION, said = os.environ["VERSION"], os.environ
own = Path(said["N8N_USER_FOLDER"]) / ".n8n"


def told(kind: str, **values: str) -> dict[str, str]:
    names = {"db": "DB_POSTGRESDB", "broker": "QUEUE_BULL_REDIS"}[kind]
    address = said[f"{names}_HOST"], int(said[f"{names}_PORT"])
    with socket.create_connection(address, 5) as connection, connection.makefile("rw") as stream:
        stream.write(json.dumps({"password": said[f"{names}_PASSWORD"], **values}) + "\n")
        stream.flush()
        return json.loads(stream.readline())


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        words = dict(parse_qsl(urlsplit(self.path).query))
        if words:
            own.write_text(words["keep"])
        try:
            found: dict[str, object] = {"db": told("db", **words), "broker": told("broker", **words)}
        except (OSError, ValueError) as error:
            return self.send_error(503, str(error))
        found |= {"version": VERSION, "own": own.read_text() if own.exists() else None}
        found |= {name: said[name] for name in ("WEBHOOK_URL", "N8N_ENCRYPTION_KEY", "EXECUTIONS_MODE")}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if sys.argv[1:] == ["worker"]:
    told("broker", worker=VERSION)
    print("n8n worker is now ready", flush=True)
    while True:
        time.sleep(60)
http.server.ThreadingHTTPServer((said["N8N_LISTEN_ADDRESS"], int(said["N8N_PORT"])), Page).serve_forever()
