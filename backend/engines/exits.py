"""How an app ended, in words."""

from __future__ import annotations

from backend.engines.errors import Reason
from backend.engines.scale import WEB


def exited(code: int, process: str = WEB) -> Reason:
    """An exit status in words; above 128 it was a signal."""
    known = {
        0: "It ended by itself (exit status 0); a web app has to keep running.",
        126: "Its start command cannot be executed (exit status 126).",
        127: "Its start command was not found (exit status 127).",
        134: "It aborted itself (SIGABRT), as programs do that run out of memory.",
        137: "It was killed (SIGKILL), most likely because it ran out of memory.",
        139: "It crashed (SIGSEGV).",
        143: "It was asked to end (SIGTERM) and did.",
    }
    if code == 0 and process != WEB:
        words = "It ended by itself (exit status 0)."
        return Reason("unit_exited", words, {"because": "ended_well", "exit_status": code})
    because = f"exit_{code}" if code in known else "exit_other"
    words = known.get(code, f"It ended with exit status {code}.")
    return Reason("unit_exited", words, {"because": because, "exit_status": code})


def by_policy(reason: Reason) -> Reason:
    """Of a unit that its restart policy leaves alone."""
    words = f"{reason.message} Its restart policy does not start it again."
    return Reason(reason.code, words, {"detail": "by_policy", **reason.parameters})
