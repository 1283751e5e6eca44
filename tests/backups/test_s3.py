"""The bucket, against a real server of the protocol."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from backend.backups import targets
from backend.backups.targets import Bucket, TargetError
from backend.config import Settings
from tests.backups.conftest import Pier, tree


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def of_bucket(settings: Settings, store: str) -> Settings:
    changed = settings.model_copy(
        update={
            "backup_dir": None,
            "backup_s3_endpoint": store,
            "backup_s3_bucket": "harbour",
            "backup_s3_access_key": "ada",
            "backup_s3_secret_key": SecretStr("word of hers"),
        }
    )
    Bucket(changed)._client.create_bucket(Bucket="harbour")
    return changed


def keys(bucket: Bucket) -> list[str]:
    found: dict[str, Any] = bucket._client.list_objects_v2(Bucket="harbour")
    return [one["Key"] for one in found.get("Contents", ())]


async def test_there_and_back(pier: Pier, of_bucket: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.backups.router.target_of", lambda settings: Bucket(of_bucket))
    pier.aim(of_bucket)
    before, backup = tree(pier.data), await pier.made()
    assert backup["state"] == "verified"
    (key,) = [one for one in keys(Bucket(of_bucket)) if backup["id"] in one]
    (pier.data / "hold.bin").write_bytes(b"sunk")
    assert (await pier.restore(backup)).status_code == 202
    await pier.work()
    assert tree(pier.data) == before
    await pier.ask("DELETE", f"/backups/{backup['id']}")
    await pier.tend()
    assert key not in keys(Bucket(of_bucket))


def test_in_parts_and_nothing_half(of_bucket: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "PART", 5 * 2**20)
    bucket, content = Bucket(of_bucket), bytes(range(256)) * 2**16
    bucket.put("a/b", io.BytesIO(content), 0)
    with bucket.open("a/b") as stored:
        assert b"".join(iter(lambda: stored.read(100_000), b"")) == content

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 12 * 2**20:
                raise ConnectionError
            return super().read(size)

    with pytest.raises(ConnectionError):
        bucket.put("a/c", Broken(content), 0)
    # As `kill -9` leaves it.
    bucket._client.create_multipart_upload(Bucket="harbour", Key="a/d")
    bucket.remove("a/d")
    assert "a/c" not in keys(bucket)
    assert bucket._client.list_multipart_uploads(Bucket="harbour").get("Uploads", []) == []
    with pytest.raises(TargetError, match="not at its target"), bucket.open("a/c"):
        pass


def test_a_bucket_that_is_not_there(of_bucket: Settings) -> None:
    missing = Bucket(of_bucket.model_copy(update={"backup_s3_bucket": "another-one"}))
    with pytest.raises(TargetError) as refused:
        missing.check()
    assert refused.value.code == "backup_target_refuses"
    with pytest.raises(TargetError) as refused:
        missing.put("x", io.BytesIO(b"x"), 0)
    assert refused.value.code == "backup_target_refuses"
