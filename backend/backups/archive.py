"""An archive on its way: compressed by zstd and sealed in age's format to a target, and back.

Nothing of it is held: chunks go through short pipes between the loop, which speaks with the engine, and
threads, which compute and speak with the target. Without the panel the same is
`age -d -i key.txt < object | zstd -d | tar x`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, cast

import pyrage
import zstandard

from backend.backups import manifest
from backend.backups.manifest import ArchiveDamaged, Manifest
from backend.backups.pipes import Broken, Pipe
from backend.backups.targets import Target

LEVEL = 3
CHUNK = 2**18
THREADS = 4


@dataclass(frozen=True, slots=True)
class Stored:
    manifest: Manifest
    stored_bytes: int
    checksum: str


class _Counted:
    """What is read through it is counted and hashed."""

    def __init__(self, inner: Any) -> None:
        self._inner, self._hash, self.size = inner, hashlib.sha256(), 0
        self.error: Exception | None = None
        """What went wrong below: age's library tells only that something did."""

    def read(self, size: int = -1) -> bytes:
        try:
            chunk: bytes = self._inner.read(size)
        except Exception as error:
            self.error = error
            raise
        self._hash.update(chunk)
        self.size += len(chunk)
        return chunk

    @property
    def checksum(self) -> str:
        return self._hash.hexdigest()


async def store(
    content: AsyncIterator[bytes],
    target: Target,
    key: str,
    recipients: Sequence[pyrage.x25519.Recipient],
    *,
    expected_bytes: int,
) -> Stored:
    """Raises what the engine and the target raise; nothing is left of an object then, if it can be helped."""
    plain, listed, sealed = Pipe(), Pipe(), Pipe()
    counted = _Counted(sealed)

    def seal() -> None:
        compressed = zstandard.ZstdCompressor(level=LEVEL).stream_reader(cast(IO[bytes], plain))
        try:
            pyrage.encrypt_io(compressed, sealed, list(recipients))
        except pyrage.EncryptError as error:
            raise Broken from error
        sealed.end()

    def both(chunk: bytes | None) -> None:
        for pipe in (plain, listed):
            pipe.end() if chunk is None else pipe.write(chunk)

    async def feed() -> None:
        async with contextlib.aclosing(content) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                await asyncio.to_thread(both, chunk)
        await asyncio.to_thread(both, None)

    found = await _together(
        [plain, listed, sealed],
        [lambda: manifest.read(listed), seal, lambda: target.put(key, counted, expected_bytes)],
        feed(),
    )
    return Stored(found[0], counted.size, counted.checksum)


async def list_up(content: AsyncIterator[bytes]) -> Manifest:
    """Of a volume's content as it is."""
    listed = Pipe()

    async def feed() -> None:
        async with contextlib.aclosing(content) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                await asyncio.to_thread(listed.write, chunk)
        await asyncio.to_thread(listed.end)

    found: Manifest = (await _together([listed], [lambda: manifest.read(listed)], feed()))[0]
    return found


async def fetch(
    target: Target,
    key: str,
    identity: pyrage.x25519.Identity,
    checksum: str,
    take: Callable[[AsyncIterator[bytes]], Any],
) -> None:
    """Give the archive to `take`, which never sees the end of one that is not as it was stored.

    Raises `ArchiveDamaged`, and what the target and `take` raise.
    """
    plain = Pipe()

    def unseal() -> None:
        with target.open(key) as stored:
            counted = _Counted(stored)
            out = zstandard.ZstdDecompressor().stream_writer(cast(IO[bytes], plain), closefd=False)
            try:
                pyrage.decrypt_io(counted, out, [identity])
                while counted.read(CHUNK):
                    pass
            except (pyrage.DecryptError, zstandard.ZstdError, OSError) as error:
                if plain.broken:
                    raise Broken from error
                raise counted.error or ArchiveDamaged(str(error)) from error
            if counted.checksum != checksum:
                raise ArchiveDamaged("its checksum differs")
        plain.end()

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(plain.read, CHUNK):
            yield chunk

    async def hand_over() -> None:
        await take(chunks())

    await _together([plain], [unseal], hand_over())


async def _together(pipes: list[Pipe], threads: list[Callable[[], Any]], beside: Any) -> list[Any]:
    """All of them to their end, or none: what goes wrong first breaks the pipes of the others."""
    loop = asyncio.get_running_loop()
    # Of its own: threads that wait for one another must never wait for a free one.
    with ThreadPoolExecutor(THREADS, "backup") as pool:
        running = [loop.run_in_executor(pool, thread) for thread in threads]
        work = [*running, asyncio.ensure_future(beside)]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not all(task.done() and not task.cancelled() and not task.exception() for task in work):
                for pipe in pipes:
                    pipe.give_up()
                work[-1].cancel()
                await asyncio.gather(*work, return_exceptions=True)
    errors = [error for task in work if not task.cancelled() and (error := task.exception())]
    # Who is told that a pipe broke only says that something else happened.
    telling = [error for error in errors if not isinstance(error, Broken)]
    if errors:
        raise (telling or errors)[0]
    return [task.result() for task in running]
