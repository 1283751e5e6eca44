"""Load on one unix socket, from a process of its own: `python -m benchmarks.load SOCKET SECONDS CONNECTIONS`.

The request comes as JSON on stdin (`{"path", "headers"}`, with `"bodies"` a POST: each connection has one of
them); each connection sends it again as soon as it has the answer. Prints `{"requests", "seconds", "p50",
"p99"}`, times in seconds. Any answer but 200 ends the run with an error, because that would make the rate
a lie.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass
class Run:
    until: float
    times: list[float] = field(default_factory=list)
    failure: str | None = None


class Client(asyncio.Protocol):
    def __init__(self, run: Run, request: bytes, done: asyncio.Future[None]) -> None:
        self._run = run
        self._request = request
        self._done = done
        self._buffer = bytearray()
        self._length = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, but not its class.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._buffer.clear()
        self._length = -1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                return self._finish(bytes(self._buffer).decode("utf-8", "replace"))
            self._length = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._buffer) < self._length:
            return
        now = time.perf_counter()
        self._run.times.append(now - self._sent)
        if now < self._run.until:
            self._send()
        else:
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(f"the connection was lost: {exc}")

    def _finish(self, failure: str | None) -> None:
        if not self._done.done():
            self._run.failure = self._run.failure or failure
            self._done.set_result(None)
            self._transport.close()


async def load(socket: str, requests: list[bytes], seconds: float, connections: int) -> Run:
    loop = asyncio.get_running_loop()
    run = Run(time.perf_counter() + seconds)
    waiting = []
    for number in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        client = Client(run, requests[number % len(requests)], done)
        await loop.create_unix_connection(lambda client=client: client, socket)  # type: ignore[misc]
        waiting.append(done)
    await asyncio.gather(*waiting)
    return run


def request_of(path: str, headers: dict[str, str], body: str | None) -> bytes:
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "host: localhost"]
    if body is not None:
        lines.append(f"content-length: {len(body.encode())}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()


def main() -> None:
    socket, seconds, connections = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    asked = json.load(sys.stdin)
    bodies = asked.get("bodies") or [None]
    requests = [request_of(asked["path"], asked["headers"], body) for body in bodies]
    begin = time.perf_counter()
    run = uvloop.run(load(socket, requests, seconds, connections))
    if run.failure:
        sys.exit(run.failure[:2000])
    times = sorted(run.times)
    said = {
        "requests": len(times),
        "seconds": time.perf_counter() - begin,
        "p50": times[len(times) // 2],
        "p99": times[len(times) * 99 // 100],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
