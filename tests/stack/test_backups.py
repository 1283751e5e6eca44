"""A whole installation on the Docker engine: data that was lost is there again, of the same service and of
another.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx

from tests.stack.scenes import Fresh
from tests.support.containerstack import ContainerStack
from tests.support.customer import Customer, Json
from tests.support.stack import until

APP = """
import http.server, os, pathlib

class Notes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        note = pathlib.Path("/data" + self.path)
        self.answer(note.read_bytes() if note.is_file() else b"nothing")

    def do_PUT(self):
        note = pathlib.Path("/data" + self.path)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(b"written")

    def do_DELETE(self):
        pathlib.Path("/data" + self.path).unlink()
        self.answer(b"gone")

    def answer(self, said):
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Notes).serve_forever()
"""
LOG = b"The Meridian put to sea at dawn. " * 100


async def with_volume(stack: ContainerStack, customer: Customer, name: str) -> tuple[str, str]:
    """A live service, and its volume, which its first release has already."""
    stack.git.commit(name, {"app.py": APP, "Procfile": "web: python3 app.py\n"})
    gate = stack.git.hold(name)
    accepted = await customer.order(name, stack.git.url(name))
    service_id = str(accepted["service_id"])
    body = {"name": "data", "path": "/data", "size_gib": 1}
    made = await customer.ask("POST", f"/services/{service_id}/volumes", json=body)
    assert made.status_code == 201, made.text
    stack.git.open(gate)
    await customer.live(accepted)
    return service_id, str(made.json()["id"])


async def said(stack: ContainerStack, name: str, path: str, method: str = "GET", body: bytes = b"") -> bytes:
    host = {"Host": f"{name}.localhost:{stack.port}"}
    async with httpx.AsyncClient(base_url=stack.instance, trust_env=False, timeout=10) as client:
        answer = await client.request(method, path, content=body, headers=host)
    return answer.content if answer.status_code == 200 else f"{answer.status_code} {answer.text}".encode()


async def backup(customer: Customer, service_id: str, volume_id: str) -> Json:
    """Made by hand, and known to be good."""
    asked = await customer.post(f"/services/{service_id}/backups", {"volume_id": volume_id})

    async def tested() -> Json | None:
        (found,) = (await customer.get("/backups", service_id=service_id))["items"]
        return found if found["state"] not in ("queued", "running", "stored") else None

    found: Json = await until(tested, 60, "the backup is tested")
    assert (found["id"], found["state"]) == (asked["backup_id"], "verified"), found
    return found


async def restore(customer: Customer, made: Json, service_id: str, volume_id: str) -> None:
    body = {"backup_id": made["id"], "volume_id": volume_id, "name": "data"}
    asked = await customer.post(f"/services/{service_id}/restores", body)
    job = await customer.finished(asked["job_id"])
    assert job["state"] == "succeeded", job


async def answers(stack: ContainerStack, name: str) -> None:
    async def up() -> bool:
        # For a moment after a reload those workers of the edge answer too that know no route yet.
        for _ in range(10):
            if await said(stack, name, "/nowhere") != b"nothing":
                return False
            await asyncio.sleep(0.05)
        return True

    await until(up, 60, f"{name} is up again")


async def no_scratch(stack: ContainerStack, service_id: str, volume_id: str) -> None:
    await until(lambda: stack.volumes(service_id) == {volume_id}, 60, "scratch volumes are gone")


async def test_what_was_lost_comes_back(
    container_stack: ContainerStack, container_customer: Customer, fresh: Fresh
) -> None:
    stack, customer = container_stack, container_customer
    name, other = fresh("logbook"), fresh("copybook")
    (service_id, volume_id), (new_id, new_volume_id) = await asyncio.gather(
        with_volume(stack, customer, name), with_volume(stack, customer, other)
    )
    noise = os.urandom(2**20)
    for path, content in (("/deep/log", LOG), ("/hold", noise)):
        assert await said(stack, name, path, "PUT", content) == b"written"
    made = await backup(customer, service_id, volume_id)
    assert made["content_bytes"] == len(LOG) + len(noise)

    (stored,) = Path(stack.env["BACKUP_DIR"]).rglob(f"{made['id']}.*")
    content = stored.read_bytes()
    assert made["stored_bytes"] == len(content) > len(noise)
    assert (noise[:64] in content, b"Meridian" in content, b"ustar" in content) == (False, False, False)

    assert await said(stack, name, "/hold", "DELETE") == b"gone"
    assert await said(stack, name, "/deep/log", "PUT", b"sunk") == b"written"
    assert await said(stack, name, "/later", "PUT", b"is gone afterwards") == b"written"
    await asyncio.gather(
        restore(customer, made, service_id, volume_id), restore(customer, made, new_id, new_volume_id)
    )
    for one in (name, other):
        await answers(stack, one)
        assert await said(stack, one, "/deep/log") == LOG
        assert await said(stack, one, "/hold") == noise
        assert await said(stack, one, "/later") == b"nothing"
        # It is the app's own data: it may go on writing where it was.
        assert await said(stack, one, "/deep/log", "PUT", b"and came home") == b"written"
    await no_scratch(stack, service_id, volume_id)
    await no_scratch(stack, new_id, new_volume_id)
