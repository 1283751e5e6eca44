"""What a build may take of the disk, by whatever way it takes it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from backend.engines.base import EngineError, Retry
from backend.engines.docker import cgroup, imagefacts
from backend.engines.docker.bases import BaseImages
from backend.engines.docker.building import Building, Order
from backend.engines.docker.client import Daemon
from tests.engines.images.conftest import Yard

BASE = "FROM python:3.12-slim\n"
CMD = 'CMD ["true"]\n'
FILLS = "head -c 400M /dev/zero > /big; sleep 60\n"


@pytest.fixture
def with_volume(yard: Yard) -> Iterator[str]:
    """A base image that brings a volume, which the operator named."""
    name = f"volume-{yard.project}:1"
    made = yard.client.create_container("python:3.12-slim", ["true"])["Id"]
    yard.client.commit(made, *name.split(":"), changes=["VOLUME /data", 'CMD ["python3"]'])
    yard.client.remove_container(made)
    yard.images = yard.with_settings(build_max_bytes=60 * 2**20, images=BaseImages(python=name))
    yield name
    yard.client.remove_image(name, force=True)


def volumes(yard: Yard) -> set[str]:
    return {volume["Name"] for volume in yard.client.volumes()["Volumes"] or ()}


async def test_no_command_hides_what_it_writes(yard: Yard) -> None:
    yard.images = yard.with_settings(build_max_bytes=60 * 2**20)
    imitates = (
        "RUN echo 'Step 9/9 : RUN x'; echo ' ---> Running in 0123456789ab'; sleep 1;"
        " echo ' ---> 0123456789ab'; " + FILLS
    )
    error = await yard.failing({"Dockerfile": BASE + imitates})
    assert error.code == "build_too_large"
    assert yard.containers() == []


async def test_a_flood_of_imitations(yard: Yard) -> None:
    said = "' ---> Running in 000000'$i"
    floods = f"RUN i=100000; while [ $i -lt 120000 ]; do echo {said}; i=$((i+1)); sleep 0.001; done\n"
    error = await yard.failing({"Dockerfile": BASE + floods})
    assert error.parameters["detail"] == "dockerfile_invalid"


async def test_copies_count(yard: Yard) -> None:
    yard.images = yard.with_settings(build_max_bytes=60 * 2**20)
    own = BASE.replace("\n", " AS one\n") + "RUN head -c 25M /dev/zero > /big\n" + BASE
    own += "COPY --from=one /big /one\nCOPY --from=0 /big /two\nCOPY --from=one /big /three\n" + CMD
    error = await yard.failing({"Dockerfile": own})
    assert error.code == "build_too_large"


async def test_volumes_of_base_images_count(yard: Yard, with_volume: str) -> None:
    before = volumes(yard)
    error = await yard.failing(
        {"Dockerfile": f"FROM {with_volume}\nRUN " + FILLS.replace("/big", "/data/big")}
    )
    assert error.code == "build_too_large"
    assert volumes(yard) <= before


async def test_volumes_are_memory_in_releases(yard: Yard, with_volume: str) -> None:
    own = f"FROM {with_volume}\nVOLUME /own /app\nWORKDIR /app\nRUN head -c 1M /dev/zero > /data/x\n"
    spec, _ = await yard.build({"Dockerfile": own})
    assert "VOLUME /own: is kept in memory, and empty when the service starts anew" in yard.lines
    assert "VOLUME '/app' is left out" in yard.lines
    before = volumes(yard)
    image = imagefacts.examine(
        yard.client, yard.instance, yard.images.reference(spec.service_id, spec.deployment_id)
    )
    assert sorted(image.volumes) == ["/data", "/own"]
    assert volumes(yard) == before


async def test_processes_are_bounded(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    if not cgroup.can_bound(yard.client.info(), yard.settings.host):
        pytest.skip("only root can make cgroups, where Docker makes them without systemd")
    monkeypatch.setattr(cgroup, "MOST_PROCESSES", 40)
    forks = "RUN for i in $(seq 60); do sleep 9 & done; echo all began\n"
    error = await yard.failing({"Dockerfile": BASE + forks})
    assert error.code == "build_failed"
    assert "all began" not in yard.lines
    assert not list(cgroup.ROOT.glob(f"*/gavan-build-{yard.instance}-*"))


async def test_a_disk_that_is_nearly_full(yard: Yard) -> None:
    yard.images = yard.with_settings(build_reserve_bytes=1 << 60)
    error = await yard.failing({"Dockerfile": BASE + CMD})
    assert (error.code, error.retry) == ("engine_unavailable", Retry.BACKOFF)
    assert error.parameters["detail"] == "disk_short"


@pytest.mark.parametrize("said", ['unable to find image "sha256:78"', "No such image: sha256:78"])
def test_a_layer_that_was_pruned_meanwhile(yard: Yard, said: str) -> None:
    order = Order(io.BytesIO(), {}, {}, {}, {}, {}, frozenset(), 0, 0, "", "", 0, lambda: None)
    with pytest.raises(EngineError) as caught:
        raise Building(Daemon(yard.settings.host), order, yard.report)._failed({"error": said})
    assert (caught.value.code, caught.value.retry) == ("engine_unavailable", Retry.BACKOFF)
