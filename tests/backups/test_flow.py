"""A backup is made, proven, and brought back; and what happens when each of it goes wrong."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyrage
import pytest
import zstandard
from sqlalchemy import update

from backend.backups import keys
from backend.backups.targets import Directory, TargetError
from backend.engines.base import UnitState
from backend.jobs.models import Job
from tests.backups.conftest import Killed, Pier, away, tree


async def test_made_verified_and_brought_back(pier: Pier) -> None:
    before = tree(pier.data)
    backup = await pier.made()
    assert (backup["state"], backup["trigger"], backup["entries"]) == ("verified", "manual", 6)
    (stored,) = pier.objects
    assert stored.read_bytes().startswith(b"age-encryption.org/v1")
    assert b"Meridian" not in stored.read_bytes()
    assert backup["stored_bytes"] == stored.stat().st_size
    assert pier.engine.calls.count("stop") == 0
    pier.nothing_left()

    (pier.data / "deep" / "ship.txt").write_text("sunk")
    (pier.data / "later").write_text("is gone afterwards")
    answer = await pier.restore(backup)
    assert answer.status_code == 202, answer.text
    await pier.work()
    assert (await pier.restored())["state"] == "succeeded"
    assert tree(pier.data) == before
    assert ("stop" in pier.engine.calls, pier.engine.state) == (True, UnitState.RUNNING)
    assert [state for volume, state in pier.engine.running_while_imported if volume == pier.volume_id] == [
        UnitState.STOPPED
    ]
    pier.nothing_left()


async def test_a_lost_volume_is_made_anew_for_its_backup(pier: Pier) -> None:
    before, backup = tree(pier.data), await pier.made()
    await pier.engine.folders.remove(pier.volume_id)
    assert (await pier.restore(backup)).status_code == 202
    await pier.work()
    assert (await pier.restored())["state"] == "succeeded"
    assert tree(pier.data) == before
    pier.nothing_left()


async def test_into_another_service_of_the_project(pier: Pier) -> None:
    before, backup, first = tree(pier.data), await pier.made(), pier.volume_id
    found = (await pier.ask("GET", f"/backups?project_id={backup['project_id']}")).json()["items"]
    assert [(one["id"], one["service"]["id"]) for one in found] == [(backup["id"], pier.service_id)]
    assert (await pier.ask("GET", f"/backups?project_id={pier.volume_id}")).json()["items"] == []
    await pier.harbour.order(name="other-one")
    async with pier.database.transaction() as session:
        await session.execute(update(Job).values(state="succeeded"))
    pier.volume_id = await pier.add_volume()
    assert (await pier.restore(backup)).status_code == 202
    await pier.work()
    assert (await pier.restored())["state"] == "succeeded"
    assert tree(pier.data) == before == tree(pier.engine.folders.data(first))


@pytest.mark.parametrize("how", ["flipped", "cut off", "gone", "of another", "key"])
async def test_what_is_not_whole_is_not_brought_back(pier: Pier, how: str) -> None:
    backup, before = await pier.made(), tree(pier.data)
    (stored,) = pier.objects
    content = bytearray(stored.read_bytes())
    if how == "flipped":
        content[-100] ^= 1
    elif how == "cut off":
        del content[-1:]
    elif how == "key":
        changed = pier.settings.model_copy(update={"secret_key": pier.settings.engine_secret})
        pier.aim(changed)
    elif how == "of another":
        (pier.data / "another").touch()
        other = await pier.made()
        (found,) = [path for path in pier.objects if other["id"] in path.name]
        content = bytearray(found.read_bytes())
        (pier.data / "another").unlink()
    stored.write_bytes(content)
    if how == "gone":
        stored.unlink()
    assert (await pier.restore(backup)).status_code == 202
    await pier.work()
    restored = await pier.restored()
    wanted = "backup_object_missing" if how == "gone" else "backup_damaged"
    assert (restored["state"], restored["reason_code"]) == ("failed", wanted)
    assert tree(pier.data) == before
    # It was found out before the app was touched.
    assert ("stop" in pier.engine.calls, "restart" in pier.engine.calls) == (False, False)
    pier.nothing_left()


async def test_a_test_that_finds_damage_says_so(pier: Pier) -> None:
    answer = await pier.make()
    pier.engine.trouble["export"] = [None]
    original = Directory.put

    def spoiled(self: Directory, key: str, stream: object, expected: int) -> None:
        original(self, key, stream, expected)
        path = self._path(key)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Directory, "put", spoiled)
        await pier.work()
    (backup,) = await pier.listed()
    assert (backup["id"], backup["state"]) == (answer.json()["backup_id"], "unverifiable")
    assert backup["reason_code"] == "backup_damaged"
    refused = await pier.restore(backup)
    assert (refused.status_code, refused.json()["code"]) == (409, "backup_damaged")
    pier.nothing_left()


@pytest.mark.parametrize("call", ["ensure", "export", "exported", "import", "imported", "remove"])
@pytest.mark.parametrize("nth", [0, 1])
async def test_killed_anywhere_while_it_is_made(pier: Pier, call: str, nth: int) -> None:
    before = tree(pier.data)
    assert (await pier.make()).status_code == 202
    pier.engine.trouble[call] = [None] * nth + [Killed()]
    await pier.work()
    (backup,) = await pier.listed()
    assert backup["state"] == "verified"
    assert len(pier.objects) == 1
    await pier.tend()
    assert tree(pier.data) == before
    pier.nothing_left()


@pytest.mark.parametrize("call", ["ensure", "export", "exported", "import", "imported", "stop", "restart"])
@pytest.mark.parametrize("nth", [0, 1, 2, 3])
async def test_killed_anywhere_while_it_is_brought_back(pier: Pier, call: str, nth: int) -> None:
    backup, before = await pier.made(), tree(pier.data)
    (pier.data / "hold.bin").write_bytes(b"sunk")
    assert (await pier.restore(backup)).status_code == 202
    pier.engine.trouble[call] = [None] * nth + [Killed()]
    pier.engine.running_while_imported.clear()
    await pier.work()
    await pier.tend()
    assert (await pier.restored())["state"] == "succeeded"
    assert tree(pier.data) == before
    assert all(
        state is UnitState.STOPPED
        for volume, state in pier.engine.running_while_imported
        if volume == pier.volume_id
    )
    pier.nothing_left()


async def test_what_was_there_comes_back(pier: Pier) -> None:
    """The copy into the volume fails for good, and so does the first attempt to put back what was there."""
    backup = await pier.made()
    (pier.data / "hold.bin").write_bytes(b"newer")
    before = tree(pier.data)
    assert (await pier.restore(backup)).status_code == 202
    # Into the fresh one, aside, into the volume; then back.
    pier.engine.trouble["imported"] = [None, None, away("volume_full"), Killed()]
    await pier.work()
    restored = await pier.restored()
    assert (restored["state"], restored["reason_code"]) == ("failed", "volume_full")
    assert tree(pier.data) == before
    assert pier.engine.state is UnitState.RUNNING
    pier.nothing_left()


async def test_a_full_target(pier: Pier, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Directory, key: str, stream: object, expected: int) -> None:
        raise TargetError("backup_target_full", "The target for backups is full.")

    monkeypatch.setattr(Directory, "put", full)
    assert (await pier.make()).status_code == 202
    await pier.work()
    (backup,) = await pier.listed()
    assert (backup["state"], backup["reason_code"]) == ("failed", "backup_target_full")
    assert pier.objects == []


async def test_stopped_while_it_is_copied(pier: Pier) -> None:
    assert (await pier.plan(stop_app=True, command="dump")).status_code == 200
    backup = await pier.made()
    assert (backup["state"], backup["stopped"]) == ("verified", True)
    assert pier.engine.commands == ["dump"]
    calls = [call for call in pier.engine.calls if call in ("stop", "export", "restart")]
    assert calls[:3] == ["stop", "export", "restart"]


async def test_a_dump_that_failed_makes_no_backup(pier: Pier) -> None:
    await pier.plan(command="dump")
    pier.engine.exit_code = 3
    await pier.make()
    await pier.work()
    (backup,) = await pier.listed()
    assert (backup["state"], backup["reason_code"]) == ("failed", "backup_command_failed")
    assert pier.objects == []


async def test_cancelled(pier: Pier) -> None:
    job = (await pier.make()).json()["job_id"]
    assert (await pier.ask("POST", f"/jobs/{job}/cancel")).status_code == 202
    await pier.work()
    await pier.tend()
    (backup,) = await pier.listed()
    assert backup["state"] == "cancelled"
    assert pier.objects == []


async def test_read_without_the_panel(pier: Pier, tmp_path: Path) -> None:
    """With age, zstd and tar, and the key that the master key gives."""
    backup = await pier.made()
    row = await pier.row(backup["id"])
    identity = pyrage.x25519.Identity.from_str(keys.identity_of(pier.settings.master_key, row.project_id))
    (stored,) = pier.objects
    packed = pyrage.decrypt(stored.read_bytes(), [identity])
    with (
        zstandard.ZstdDecompressor().stream_reader(packed) as plain,
        tarfile.open(fileobj=io.BytesIO(plain.read())) as archive,
    ):
        archive.extractall(tmp_path / "out", filter="data")
    assert tree(tmp_path / "out") == tree(pier.data)
