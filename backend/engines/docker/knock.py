"""Runs inside a container, with nothing but Python: which of some addresses does no firewall hold back?

A silent address proves nothing, and neither does a refusal by whoever is there. The proof is the answer of
node/firewall (administratively prohibited), from the gateway through which the container goes out, or in the
name of an address that is the node's own. Prints one line of JSON: the addresses without that proof.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

IP_RECVERR = 11
ICMP, UNREACHABLE, PROHIBITED = 2, 3, 13
DISCARD = 9
PATIENCE = 1.2
"""Seconds. The kernel sends one such answer a second to whom it has sent six."""
TRIES = 4


def gateway() -> str:
    with open("/proc/net/route") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[1] == "00000000":
                return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    return ""


def is_held(address: str, by: str) -> bool:
    for _ in range(TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            began = time.monotonic()
            try:
                trial.connect((address, DISCARD))
                trial.send(b"gavan")
                waiting = select.poll()
                waiting.register(trial, 0)
                waiting.poll(PATIENCE * 1000)
                _, extra, _, _ = trial.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            except OSError:
                time.sleep(max(0.0, PATIENCE - (time.monotonic() - began)))
                continue
        for level, kind, data in extra:
            if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR) and len(data) >= 24:
                offender = socket.inet_ntoa(data[20:24])
                prohibited = (data[4], data[5], data[6]) == (ICMP, UNREACHABLE, PROHIBITED)
                return prohibited and offender in (by, address)
    return False


def main(addresses: list[str]) -> None:
    by = gateway()
    tried = [by, *addresses] if by else []
    # Without a way out it is not where customers' containers are.
    found = [address for address in tried if not is_held(address, by)] if by else ["no gateway"]
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
