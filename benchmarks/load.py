"""Load on one unix socket, from a process of its own: `python -m benchmarks.load SOCKET SECONDS CONNECTIONS`.

The request comes as JSON on stdin (`{"path", "headers"}`); each connection sends it again as soon as it has
the answer. Prints `{"requests", "seconds", "p50", "p99"}`, times in seconds. Any answer but 200 ends the run
with an error, because it would make the rate a lie.
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
    request: bytes
    until: float
    times: list[float] = field(default_factory=list)
    failure: str | None = None


class Client(asyncio.Protocol):
    def __init__(self, run: Run, done: asyncio.Future[None]) -> None:
        self._run = run
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
        self._transport.write(self._run.request)

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


async def load(socket: str, request: bytes, seconds: float, connections: int) -> Run:
    loop = asyncio.get_running_loop()
    run = Run(request, time.perf_counter() + seconds)
    waiting = [loop.create_future() for _ in range(connections)]
    for done in waiting:
        await loop.create_unix_connection(lambda done=done: Client(run, done), socket)  # type: ignore[misc]
    await asyncio.gather(*waiting)
    return run


def main() -> None:
    socket, seconds, connections = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    asked = json.load(sys.stdin)
    lines = [f"GET {asked['path']} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in asked["headers"].items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    begin = time.perf_counter()
    run = uvloop.run(load(socket, request, seconds, connections))
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
