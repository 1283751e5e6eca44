"""An image registry on loopback, where Docker speaks plain HTTP; it serves what it is given."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class ImageRegistry:
    """`asked` is the paths of all requests; `says` answers them in place of images."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says: tuple[int, dict[str, str], bytes] | None = None
        self._answers: dict[str, tuple[str, bytes]] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                kind, content = registry._answers.get(self.path, ("", b""))
                status, headers, body = registry.says or (
                    200 if kind else 404,
                    {"Content-Type": kind},
                    content,
                )
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                if kind == MANIFEST:
                    self.send_header("Docker-Content-Digest", digest(content))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._answers["/v2/"] = ("application/json", b"{}")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, name: str, **config: Any) -> str:
        """The name of an image of one small file."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
        packed = gzip.compress(layer.getvalue(), mtime=0)
        rootfs = {"type": "layers", "diff_ids": [digest(layer.getvalue())]}
        image = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs}
        described = json.dumps(image).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(described), "digest": digest(described)},
            "layers": [{"mediaType": LAYER, "size": len(packed), "digest": digest(packed)}],
        }
        content = json.dumps(manifest).encode()
        for tag in ("1", digest(content)):
            self._answers[f"/v2/{name}/manifests/{tag}"] = (MANIFEST, content)
        self._answers[f"/v2/{name}/blobs/{digest(described)}"] = ("application/octet-stream", described)
        self._answers[f"/v2/{name}/blobs/{digest(packed)}"] = ("application/octet-stream", packed)
        return f"{self.host}/{name}:1"
