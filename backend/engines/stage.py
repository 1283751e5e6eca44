"""The last step before a customer's program, inside the sandbox: limits, environment, exec.

Reads its order from stdin (so that no secret is on a command line): `argv`, `env`, `cwd`, `limits`
(name of the RLIMIT → value), `nice`. Run by `python -I -S`; imports nothing that is not built in, not even
`json` or `signal`, whose own imports would double the time to start: so the order is marshalled, by the
same interpreter.
"""

import _signal as signal
import marshal
import os
import resource
import sys


def main() -> None:
    with open(0, "rb", closefd=False) as file:
        order = marshal.loads(file.read())  # noqa: S302 (the panel itself wrote it)
    if order.get("terminal"):
        take_terminal()
    else:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
    # What only the launcher is to hold.
    os.closerange(3, 64)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        # The launcher let bubblewrap ignore some, and Python itself others.
        signal.signal(number, signal.SIG_DFL)
    for name, limit in order["limits"].items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    if order["nice"]:
        os.nice(order["nice"])
    os.umask(0o022)
    env = {name.encode(): value.encode("utf-8", "surrogatepass") for name, value in order["env"].items()}
    os.chdir(order["cwd"])
    try:
        os.execvpe(order["argv"][0], order["argv"], env)  # noqa: S606
    except OSError as error:
        print(f"{order['argv'][0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def take_terminal() -> None:
    """What is printed to becomes what is read from too, and what sends the signals of a keyboard."""
    import contextlib
    import fcntl
    import termios

    os.dup2(1, 0)
    # Unless it was begun as the leader of a session.
    with contextlib.suppress(PermissionError):
        os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


main()
