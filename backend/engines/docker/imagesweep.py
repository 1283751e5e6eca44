"""Runs on another node: its Docker removes old images with a label that no container has.

The label and the least age are the arguments; `/docker.sock` is that Docker. Prints how many bytes are free
again, as JSON. (docs.docker.com/reference/api/engine, “Delete unused images”)
"""

import http.client
import json
import socket
import sys
import urllib.parse


class Docker(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/docker.sock")


def main(label: str, age: str) -> None:
    filters = json.dumps({"dangling": ["false"], "label": [label], "until": [age]})
    docker = Docker("docker")
    docker.request("POST", f"/images/prune?filters={urllib.parse.quote(filters)}")
    answer = docker.getresponse()
    body = json.load(answer)
    if answer.status != 200:
        sys.exit(str(body.get("message")))
    print(json.dumps(body["SpaceReclaimed"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
