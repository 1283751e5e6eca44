"""Where backups lie: a directory of the installation, or a bucket of an S3-compatible store.

Blocking, for threads. An object is there whole or not at all; putting one again replaces it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.config import Settings

PART = 16 * 2**20
MOST_PARTS = 9_000
TIMEOUT = 60
CHECK_TIMEOUT = 5
"""Seconds: somebody waits before a page."""
CHUNK = 2**20


class TargetError(Exception):
    """`code` is `backup_target_full`, `backup_target_refuses`, `backup_object_missing` or
    `backup_target_unavailable`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


MISSING = "The backup is not at its target any more."


class Target(ABC):
    name: str
    place: str
    """Where it is, for the operator."""

    @abstractmethod
    def put(self, key: str, stream: Any, expected_bytes: int) -> None:
        """Read it to its end; what was begun before under this key is gone then."""

    @abstractmethod
    def open(self, key: str) -> contextlib.AbstractContextManager[Any]: ...

    @abstractmethod
    def remove(self, key: str) -> None:
        """With what was begun and never finished. What is not there is fine."""

    @abstractmethod
    def check(self) -> None:
        """Raises `TargetError` if it could not be written to now."""

    def free_bytes(self) -> int | None:
        """None where nobody can tell. Raises `TargetError`."""
        return None


class Directory(Target):
    name = "directory"

    def __init__(self, root: Path) -> None:
        self._root, self.place = root, str(root)

    def put(self, key: str, stream: Any, expected_bytes: int) -> None:
        path, part = self._path(key), self._part(key)
        with _of_disk():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
        try:
            with open(part, "xb") as file:
                os.fchmod(file.fileno(), 0o600)
                while chunk := stream.read(CHUNK):
                    with _of_disk():
                        file.write(chunk)
                with _of_disk():
                    file.flush()
                    os.fsync(file.fileno())
            with _of_disk():
                part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[Any]:
        try:
            file = open(self._path(key), "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise TargetError("backup_object_missing", MISSING) from None
        except OSError as error:
            raise _unavailable(error) from error
        with file:
            yield file

    def remove(self, key: str) -> None:
        with _of_disk():
            self._path(key).unlink(missing_ok=True)
            self._part(key).unlink(missing_ok=True)
            for folder in list(self._path(key).parents)[: key.count("/")]:
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def check(self) -> None:
        with _of_disk():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self._root / f".probe-{uuid.uuid4()}"
            probe.write_bytes(b"")
            probe.unlink()
            if shutil.disk_usage(self._root).free < PART:
                raise TargetError("backup_target_full", "The target for backups is full.")

    def free_bytes(self) -> int | None:
        with _of_disk():
            return shutil.disk_usage(self._root).free

    def _path(self, key: str) -> Path:
        return self._root / key

    def _part(self, key: str) -> Path:
        return self._path(key).with_name(f"{self._path(key).name}.part")


@contextlib.contextmanager
def _of_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> TargetError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TargetError("backup_target_full", "The target for backups is full.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return TargetError("backup_target_refuses", "The target for backups may not be written to.")
    return TargetError("backup_target_unavailable", "The target for backups does not answer.")


class Bucket(Target):
    name = "s3"

    def __init__(self, settings: Settings) -> None:
        self._settings, self._made = settings, None
        self.place = f"{settings.backup_s3_endpoint or 's3:/'}/{settings.backup_s3_bucket}"

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._connect(TIMEOUT, 4)
        return self._made

    def _connect(self, timeout: int, attempts: int) -> Any:
        # Of its size, and only workers need it.
        import boto3
        from botocore.config import Config

        settings = self._settings
        assert settings.backup_s3_secret_key is not None
        return boto3.client(
            "s3",
            endpoint_url=settings.backup_s3_endpoint or None,
            region_name=settings.backup_s3_region,
            aws_access_key_id=settings.backup_s3_access_key,
            aws_secret_access_key=settings.backup_s3_secret_key.get_secret_value(),
            config=Config(
                connect_timeout=timeout,
                read_timeout=timeout,
                retries={"mode": "standard", "total_max_attempts": attempts},
                s3={"addressing_style": "path" if settings.backup_s3_endpoint else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @property
    def _bucket(self) -> str:
        return self._settings.backup_s3_bucket

    def put(self, key: str, stream: Any, expected_bytes: int) -> None:
        """In parts, each held while it is sent; an upload that is cut off costs nothing afterwards."""
        place = {"Bucket": self._bucket, "Key": key}
        with _of_store():
            self._abort_begun(key)
            upload = self._client.create_multipart_upload(**place)["UploadId"]
        size = max(PART, expected_bytes // MOST_PARTS)
        try:
            parts = []
            for number, part in enumerate(_parts(stream, size), start=1):
                with _of_store():
                    sent = self._client.upload_part(**place, UploadId=upload, PartNumber=number, Body=part)
                parts.append({"ETag": sent["ETag"], "PartNumber": number})
            with _of_store():
                whole = {"Parts": parts}
                self._client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=whole)
        except BaseException:
            with contextlib.suppress(TargetError), _of_store():
                self._client.abort_multipart_upload(**place, UploadId=upload)
            raise

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[Any]:
        with _of_store():
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        with contextlib.closing(body):
            yield _Body(body)

    def remove(self, key: str) -> None:
        with _of_store():
            self._abort_begun(key)
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def check(self) -> None:
        with _of_store():
            self._connect(CHECK_TIMEOUT, 1).head_bucket(Bucket=self._bucket)

    def _abort_begun(self, key: str) -> None:
        begun = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key).get("Uploads", ())
        for upload in begun:
            self._client.abort_multipart_upload(
                Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )


class _Body:
    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        with _of_store():
            chunk: bytes = self._body.read(None if size < 0 else size)
            return chunk


def _parts(stream: Any, size: int) -> Iterator[bytes]:
    """An upload has at least one part, which may be empty."""
    first = True
    while True:
        held = bytearray()
        while len(held) < size and (chunk := stream.read(min(CHUNK, size - len(held)))):
            held += chunk
        if held or first:
            yield bytes(held)
        if len(held) < size:
            return
        first = False


@contextlib.contextmanager
def _of_store() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("NoSuchKey", "NoSuchUpload"):
            raise TargetError("backup_object_missing", MISSING) from None
        if code in ("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage") or status == 507:
            raise TargetError("backup_target_full", "The target for backups is full.") from None
        if status in (400, 401, 403, 404):
            message = f"The target for backups refuses: {code}."
            raise TargetError("backup_target_refuses", message) from None
        raise TargetError("backup_target_unavailable", "The target for backups does not answer.") from None
    except (BotoCoreError, OSError):
        raise TargetError("backup_target_unavailable", "The target for backups does not answer.") from None


def target_of(settings: Settings, name: str | None = None) -> Target | None:
    """The one of the settings, or None; with a `name` only if it is still that one."""
    found: Target | None = None
    if settings.backup_s3_bucket:
        found = Bucket(settings)
    elif settings.backup_dir is not None:
        found = Directory(settings.backup_dir)
    return found if found is not None and name in (None, found.name) else None
