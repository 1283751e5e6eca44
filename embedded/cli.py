"""`python -m embedded.cli up|down|restart|status|logs`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys

from embedded.console import Failure, say
from embedded.layout import Layout
from embedded.parts import BY_NAME

NOT_RUNNING = 3


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m embedded.cli")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("down")
    status = commands.add_parser("status")
    status.add_argument("--format", choices=("text", "json"), default="text")
    logs = commands.add_parser("logs")
    logs.add_argument("--part", choices=list(BY_NAME), action="append")
    logs.add_argument("--lines", type=int, default=30)
    logs.add_argument("--follow", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        return run(chosen)
    except Failure as failure:
        say(failure.report())
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def run(chosen: argparse.Namespace) -> int:
    layout = Layout.of_checkout()
    match chosen.command:
        case "up":
            from embedded.up import Up

            Up(layout)()
        case "down":
            from embedded.down import down

            down(layout)
        case "status":
            from embedded.status import show, status

            found = status(layout)
            show(found, as_json=chosen.format == "json")
            return 0 if found["healthy"] else NOT_RUNNING
        case "logs":
            from embedded import logs

            logs.show(layout, chosen.part or list(BY_NAME), chosen.lines, follow=chosen.follow)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
