"""How an app's command line becomes the first process of a container."""

from __future__ import annotations

from backend.engines.startup import shell_script

_PASSED_ON = """trap 'kill -TERM -1 2>/dev/null' TERM INT
{{ {command}
}} &
child=$!
wait "$child"; status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
exit "$status\""""


def container_script(command: str) -> str:
    """A simple command replaces the shell; others run beside it, and it passes SIGTERM on to all of them."""
    script = shell_script(command)
    return script if script.startswith("exec ") else _PASSED_ON.format(command=command)
