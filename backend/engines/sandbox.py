"""What a customer's build or app sees: by bubblewrap only its own folder and a read-only system.

Paths inside are the real ones (virtual environments hold absolute paths), so that a release built
with bubblewrap also runs without. The network is shared. The launcher imports this at every start
of an app, so it imports little itself.
"""

from __future__ import annotations

import base64
import errno
import functools
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
STAGE = HERE / "stage.py"
STATIC_SERVER = HERE / "static.py"
INSIDE = Path("/run/gavan")
"""Where the sandbox shows the engine's own files."""

PROBE_TIMEOUT = 20
SCRATCH_BYTES = 64 * 2**20
_KERNEL_SWITCHES = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger")
_KERNEL_SECRETS = ("/proc/kcore", "/proc/keys", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/timer_list")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# One by one: what /etc/ssl/private and its like hold is for nobody's app.
_CONFIGURATION = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
)
_CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
)
_NAMESPACES = (
    "--unshare-user",
    "--uid=1000",
    "--gid=1000",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--hostname=app",
    "--cap-drop=ALL",
)
# bubblewrap takes options and values as separate words.
_FLAGS = tuple(word for flag in _NAMESPACES for word in flag.split("="))


class Isolation(NamedTuple):
    """`arguments` begin the command line; empty when there is no working bubblewrap."""

    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "bubblewrap" if self.arguments else "none"


@functools.lru_cache(maxsize=4)
def detect_isolation(path: str | None = None) -> Isolation:
    """Tried once per process: whether bubblewrap is there and may make its namespaces here.

    Raises OSError (TimeoutError) when this machine is too busy to tell; that is not remembered, lest
    apps run without isolation because of a bad moment.
    """
    import subprocess

    bwrap = shutil.which("bwrap", path=path)
    if bwrap is None:
        return Isolation()
    for extra in (("--disable-userns",), ()):
        arguments = (bwrap, *_FLAGS, *extra)
        probe = [*arguments, *_system_mounts(), "/bin/sh", "-c", "exec /bin/true"]
        try:
            if subprocess.run(probe, env={}, capture_output=True, timeout=PROBE_TIMEOUT).returncode == 0:
                return Isolation(arguments)
        except subprocess.TimeoutExpired:
            raise TimeoutError("bubblewrap did not answer") from None
    return Isolation()


def base_python() -> str:
    """The interpreter behind the panel's virtual environment, by its real path."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def node_folder() -> str | None:
    """The folder with `node` and `npm`, when there is one."""
    npm = shutil.which("npm")
    return os.path.dirname(npm) if npm and shutil.which("node") else None


def certificate_variables() -> dict[str, str]:
    """Where this machine keeps the certificates that it trusts, as variables that tools read."""
    return {name: os.environ[name] for name in _CERTIFICATES if os.environ.get(name)}


def _system_mounts() -> list[str]:
    words = []
    for path in _SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    words += ["--proc", "/proc", "--dev", "/dev"]
    # Root of the machine may be behind the sandbox's user, and these ask for nothing more than root's id.
    for path in filter(os.path.exists, _KERNEL_SWITCHES):
        words += ["--ro-bind", path, path]
    for path in filter(os.path.exists, _KERNEL_SECRETS):
        words += ["--ro-bind", os.devnull, path]
    return words


def _is_shown(path: str) -> bool:
    return any(path == top or path.startswith(top + "/") for top in (*_SYSTEM, *_CONFIGURATION))


def _readable() -> list[str]:
    """Of the machine, what lies outside the usual places: Python, node, certificates."""
    paths = [str(Path(base_python()).parent.parent), *certificate_variables().values()]
    for tool in ("node", "npm"):
        if found := shutil.which(tool):
            paths += [found, str(Path(os.path.realpath(found)).parent.parent)]
    return [path for path in dict.fromkeys(paths) if not _is_shown(path) and path != "/"]


def enter(
    isolation: Isolation,
    *,
    home: Path,
    writable: Sequence[Path],
    tools: Mapping[str, str] = MappingProxyType({}),
    cwd: Path,
    together: bool = False,
    status_fd: int | None = None,
    held_fd: int | None = None,
    shown: Sequence[str] = (),
) -> list[str]:
    """The words before the stage's: enter the sandbox. `home` is the engine's, for its stub files.

    `shown` are the words of `show`. `tools` are further files shown in `INSIDE`, by name. With `together`
    everything inside ends with the process that started it. `held_fd` stays open outside of the program.
    """
    if not isolation.arguments:
        return []
    words = [*isolation.arguments, *_system_mounts(), "--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]  # noqa: S108
    for path in _CONFIGURATION:
        words += ["--ro-bind-try", os.path.realpath(path), path]
    for name in ("passwd", "group"):
        words += ["--ro-bind", str(home / "sandbox" / name), f"/etc/{name}"]
    for path in _readable():
        words += ["--ro-bind-try", path, path]
    for file in (STAGE, STATIC_SERVER):
        words += ["--ro-bind", str(file), str(INSIDE / file.name)]
    words += ["--ro-bind", str(home / "sandbox" / "bin"), str(INSIDE / "bin")]
    for name, tool in tools.items():
        words += ["--ro-bind", tool, str(INSIDE / name)]
    for folder in writable:
        words += ["--bind", str(folder), str(folder)]
    words += shown
    # The sandbox's own root lives in memory: read-only, or it could be filled.
    words += [
        "--size",
        str(SCRATCH_BYTES),
        "--tmpfs",
        "/dev/shm",  # noqa: S108
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
    ]
    words += ["--chdir", str(cwd)]
    if together:
        words += ["--die-with-parent"]
    if status_fd is not None:
        words += ["--json-status-fd", str(status_fd)]
    if held_fd is not None:
        words += ["--sync-fd", str(held_fd)]
    return [*words, "--"]


def show(release: Mapping[str, Any]) -> list[str]:
    """The words that put a sealed release's volumes and secret files where it wants them.

    Files travel as open descriptors, which this process must not close before it becomes the sandbox.
    """
    words: list[str] = []
    for source, path in release.get("volumes", ()):
        _refuse_links(release["tree"], path)
        words += ["--bind", source, path]
    for path, content in release.get("files", ()):
        _refuse_links(release["tree"], path)
        descriptor = os.memfd_create("file", 0)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(base64.b64decode(content))
        os.lseek(descriptor, 0, os.SEEK_SET)
        words += ["--ro-bind-data", str(descriptor), path]
    return words


def _refuse_links(tree: str, path: str) -> None:
    """bubblewrap makes what is missing of a path while the machine's root is still in reach: over a link of
    the app's it would be made anywhere."""
    place = Path(tree)
    if not path.startswith(f"{tree}/"):
        return
    for part in Path(path).relative_to(place).parts:
        place /= part
        if place.is_symlink():
            raise OSError(errno.ELOOP, f"{part} is a link, where a volume or a secret file should be")


def stage_words(isolation: Isolation) -> list[str]:
    """The command that reads the rest (arguments, environment, limits) from its stdin; see stage.py."""
    script = INSIDE / STAGE.name if isolation.arguments else STAGE
    return [base_python(), "-I", "-S", str(script)]


def search_path(home: Path, isolation: Isolation, tree: Path) -> str:
    """PATH of a build and of an app."""
    folders = [
        str(tree / "venv" / "bin"),
        str(tree / "app" / "node_modules" / ".bin"),
        str(INSIDE / "bin" if isolation.arguments else home / "sandbox" / "bin"),
        node_folder() or "",
        "/usr/local/bin",
        "/usr/bin",
        "/bin",
    ]
    return ":".join(dict.fromkeys(folder for folder in folders if folder))


def write_stubs(home: Path) -> None:
    """The sandbox's user by name, and the command that serves static sites; written when they differ."""
    import shlex

    server = (
        f"#!/bin/sh\nfor file in {INSIDE / STATIC_SERVER.name} {shlex.quote(str(STATIC_SERVER))}; do\n"
        f'    [ -e "$file" ] && exec {shlex.quote(base_python())} -I -S "$file" "$@"\ndone\nexit 127\n'
    )
    for name, content, mode in (
        ("passwd", "app:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n", 0o644),
        ("group", "app:x:1000:\nnogroup:x:65534:\n", 0o644),
        ("bin/gavan-static", server, 0o755),
    ):
        file = home / "sandbox" / name
        if file.exists() and file.read_text() == content:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(content)
        temporary.chmod(mode)
        temporary.replace(file)
