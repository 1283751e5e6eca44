"""A Chromium that hears nothing of networks that come and go on this machine.

The tests of containers make bridges meanwhile, and Chromium drops its connections whenever an address
appears (`net::ERR_NETWORK_CHANGED`). It learns of them by netlink (`net/base/address_tracker_linux.cc`) and
takes itself for online if it has none, which a seccomp filter sees to (seccomp(2)).
"""

from __future__ import annotations

import platform
import shlex
import sys
from pathlib import Path

_SOCKET_CALL = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By machine: its AUDIT_ARCH, and the number of socket(2)."""

_WRAPPER = """import ctypes, os, socket, struct, sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 97  # EAFNOSUPPORT
program = b"".join(
    struct.pack("HBBI", *step)
    for step in (
        (LOAD, 0, 0, 4),
        (EQUAL, 0, 5, {arch}),
        (LOAD, 0, 0, 0),
        (EQUAL, 0, 3, {number}),
        (LOAD, 0, 0, 16),
        (EQUAL, 0, 1, socket.AF_NETLINK),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    )
)
steps = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(steps)))
libc = ctypes.CDLL(None, use_errno=True)
NO_NEW_PRIVS, SECCOMP, FILTER = 38, 22, 2
if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SECCOMP, FILTER, filter, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv({chromium!r}, [{chromium!r}, *sys.argv[1:]])
"""


def quiet(chromium: str, folder: Path) -> str:
    """The path of a program in `folder` that starts it so; where that is not known how, its own."""
    call = _SOCKET_CALL.get(platform.machine())
    if call is None:
        return chromium
    arch, number = call
    script, program = folder / "quiet_chromium.py", folder / "chromium"
    script.write_text(_WRAPPER.format(arch=arch, number=number, chromium=chromium))
    words = shlex.join((sys.executable, "-I", str(script)))
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    return str(program)
