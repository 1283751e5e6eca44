"""`.env`: generated once, never overwritten, and following its checkout."""

from __future__ import annotations

import base64
import re
import socket
import stat
from pathlib import Path

from backend.config import Settings
from embedded import settings
from embedded.layout import LONGEST_SOCKET_NAME, SOCKET_PATH_LIMIT, Layout
from tests.embedded.conftest import ROOT


def test_secrets_are_made_once_and_closed_to_others(layout: Layout) -> None:
    first = settings.prepare(layout)
    assert stat.S_IMODE(layout.env_file.stat().st_mode) == 0o600
    assert len(base64.b64decode(first["SECRET_KEY"])) == len(base64.b64decode(first["ENGINE_SECRET"])) == 32
    assert first["SECRET_KEY"] != first["ENGINE_SECRET"]
    assert first["POSTGRES_PASSWORD"] in first["DATABASE_URL"]
    before = layout.env_file.read_text()
    assert settings.prepare(layout) == first
    assert layout.env_file.read_text() == before


def test_what_a_person_wrote_stays(layout: Layout) -> None:
    layout.env_file.write_text(
        "# mine\nSECRET_KEY='my key'\nLOG_LEVEL=DEBUG\n\nPANEL_URL=http://panel.example\n"
    )
    env = settings.prepare(layout, port=8123)
    assert (env["SECRET_KEY"], env["LOG_LEVEL"], env["PANEL_URL"]) == (
        "my key",
        "DEBUG",
        "http://panel.example",
    )
    assert env["EDGE_PORT"] == "8123"
    assert layout.env_file.read_text().startswith("# mine\nSECRET_KEY='my key'\nLOG_LEVEL=DEBUG\n")
    assert settings.read(layout.env_file) == env


def test_another_port_moves_every_address_but_not_the_secrets(layout: Layout) -> None:
    first = settings.prepare(layout, port=8080)
    second = settings.prepare(layout, port=8099)
    changed = {name for name in first if first[name] != second[name]}
    addresses = {"PANEL_URL", "APPS_URL", "EDGE_ADDRESS", "GIT_ALLOWED_PRIVATE"}
    assert changed == {"EDGE_PORT", "DOMAINS_HTTP_PORT", *addresses}
    assert settings.prepare(layout) == second


def test_a_copied_checkout_gets_its_own_paths(layout: Layout, tmp_path: Path) -> None:
    first = settings.prepare(layout)
    copy = Layout(tmp_path / "copy", tmp_path / "copy" / ".gavan")
    copy.root.mkdir()
    copy.env_file.write_text(layout.env_file.read_text())
    second = settings.prepare(copy)
    assert second["SECRET_KEY"] == first["SECRET_KEY"]
    assert not [value for value in second.values() if str(layout.home) in value]


def test_every_setting_is_documented_and_none_that_is_secret_has_a_value(layout: Layout) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    documented = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", "\n".join(lines), re.MULTILINE))
    used = {name.upper() for name in Settings.model_fields} | set(settings.prepare(layout))
    # Read by `make up` alone.
    used.add("NODE_FIREWALL")
    assert set(documented) == used
    assert not any(documented[name] for name in (*settings.GENERATED, "DATABASE_URL", "REDIS_URL"))


def test_the_backend_reads_what_is_written(layout: Layout) -> None:
    env = settings.prepare(layout)
    read = Settings(_env_file=layout.env_file)  # type: ignore[call-arg]
    assert read.secret_key.get_secret_value() == env["SECRET_KEY"]
    assert read.git_allowed_private == ("localhost:8080", "127.0.0.1:8080")


def test_a_busy_port_is_passed_over() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert settings.free_port("127.0.0.1", port) > port
    assert settings.free_port("127.0.0.1", port) == port


def test_long_paths_get_a_short_folder_for_sockets(tmp_path: Path) -> None:
    deep = Layout(tmp_path, tmp_path / ("long" * 25))
    other = Layout(tmp_path, tmp_path / ("long" * 26))
    assert len(str(deep.run)) + 1 + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT
    assert deep.run != other.run
    deep.make_folders()
    assert stat.S_IMODE(deep.run.stat().st_mode) == 0o700
    deep.run.rmdir()
