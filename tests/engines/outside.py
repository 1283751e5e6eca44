"""What lies around a node, in a network of its own: `python -m tests.engines.outside`.

On all of its addresses it answers at ports 80 and 5432, and as a name server that knows one host.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading

ALLOWED, RESOLVER = "203.0.113.10", "10.77.0.53"
NAME = b"\x07outside\x04test\x00"


class Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"here\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class NameServer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        question, answering = self.request
        known = NAME in question.lower() and b"\0\1\0\1" in question
        flags = b"\x81\x80" if known else b"\x81\x83"
        counts = struct.pack(">HHHH", 1, int(known), 0, 0)
        end = question.index(b"\0", 12) + 5
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(ALLOWED) if known else b""
        reply = question[:2] + flags + counts + question[12:end] + answer
        answering.sendto(reply, self.client_address)


def serve(*ports: int) -> None:
    """Take connections at these, on every address there is or will be."""
    for port in ports:
        threading.Thread(target=Server(("", port), Greeter).serve_forever, daemon=True).start()


if __name__ == "__main__":
    serve(80, 5432)
    print("ready", flush=True)
    # The addresses are there: the answers of a name server come from the one that was asked.
    sys.stdin.readline()
    socketserver.ThreadingUDPServer((RESOLVER, 53), NameServer).serve_forever()
