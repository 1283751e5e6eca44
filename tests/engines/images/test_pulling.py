"""Images that builds begin from: whence they may come, what they may bring, and how long they stay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docker.errors import ImageNotFound

from backend.engines.base import EngineError, Retry
from backend.engines.docker import pulling
from backend.engines.docker.bases import REGISTRIES
from backend.engines.docker.pulling import familiar, registry_of
from tests.engines.images.conftest import Yard
from tests.engines.images.imageregistry import ImageRegistry

CMD = 'CMD ["true"]\n'


@pytest.fixture
def registry(yard: Yard) -> Iterator[ImageRegistry]:
    """Which the operator lists."""
    with ImageRegistry() as registry:
        yard.images = yard.with_settings(registries=(*REGISTRIES, registry.host))
        yield registry
    for image in yard.client.images():
        for name in image["RepoTags"] or ():
            if name.startswith(registry.host):
                yard.client.remove_image(name, force=True)


def there(yard: Yard, image: str) -> bool:
    try:
        yard.client.inspect_image(image)
    except ImageNotFound:
        return False
    return True


@pytest.mark.parametrize(
    ("image", "name", "host"),
    [
        ("python", "python:latest", "docker.io"),
        ("docker.io/library/python:3", "python:3", "docker.io"),
        ("library/python:3", "python:3", "docker.io"),
        ("index.docker.io/a/b", "a/b:latest", "docker.io"),
        ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io"),
        ("docker.io/10.0.0.1/x", "docker.io/10.0.0.1/x:latest", "docker.io"),
        ("localhost/x:1", "localhost/x:1", "localhost"),
        ("host:5000/a/b", "host:5000/a/b:latest", "host:5000"),
        ("ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io"),
    ],
)
def test_names(image: str, name: str, host: str) -> None:
    assert (familiar(image), registry_of(familiar(image))) == (name, host)


async def test_only_listed_registries_are_asked(yard: Yard) -> None:
    with ImageRegistry() as registry:
        image = registry.publish("app")
        for own in (f"FROM {image}\n", f"FROM python:3.12-slim\nCOPY --from={image} /app /app\n"):
            error = await yard.failing({"Dockerfile": own + CMD})
            assert (error.code, error.parameters["detail"]) == ("build_failed", "registry_forbidden")
        assert registry.asked == []


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_what_a_registry_says_is_not_told(yard: Yard, registry: ImageRegistry, status: int) -> None:
    registry.says = (status, {"Content-Type": "text/plain"}, b"the metadata service's secret")
    error = await yard.failing({"Dockerfile": f"FROM {registry.host}/app:1\n" + CMD})
    assert registry.asked
    assert "secret" not in f"{error.message} {error.parameters} {yard.lines}"
    assert error.parameters["detail"] in ("image_missing", "registry_away")


async def test_a_registry_that_does_not_answer(yard: Yard) -> None:
    yard.images = yard.with_settings(registries=("127.0.0.1:1",))
    error = await yard.failing({"Dockerfile": "FROM 127.0.0.1:1/nothing:1\n" + CMD})
    assert (error.code, error.retry) == ("engine_unavailable", Retry.BACKOFF)
    assert error.parameters["detail"] == "registry_away"


async def test_images_of_this_machine_are_nobodys(yard: Yard) -> None:
    """Those that the operator made for other things."""
    yard.client.tag("python:3.12-slim", "operators-own", "1")
    try:
        for own in ("FROM operators-own:1\n", "FROM debian:stable-slim\nCOPY --from=operators-own:1 / /x\n"):
            error = await yard.failing({"Dockerfile": own + CMD})
            assert (error.code, error.parameters["detail"]) == ("build_failed", "image_missing")
    finally:
        yard.client.remove_image("operators-own:1")


async def test_fetched_once_a_day_and_removed_when_unused(
    yard: Yard, registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = registry.publish("app")
    files = {"Dockerfile": f"FROM {image}\n" + CMD}
    spec, _ = await yard.build(files)
    asked = len(registry.asked)
    assert asked
    await yard.build(files)
    assert len(registry.asked) == asked
    monkeypatch.setattr(pulling, "FRESH_HOURS", 0)
    await yard.build(files)
    assert len(registry.asked) > asked
    registry.says = (503, {}, b"")
    await yard.build(files)
    assert "Fetching the image" in "".join(yard.lines)
    await yard.images.prune()
    assert there(yard, image)
    monkeypatch.setattr(pulling, "KEPT_HOURS", 0)
    await yard.images.prune()
    assert not there(yard, image)
    assert yard.image(spec), "what was built of it stays"


@pytest.mark.parametrize(
    ("config", "detail"),
    [
        ({"OnBuild": ["COPY --from=3f / /x"]}, "image_onbuild"),
        ({"Labels": {"gavan.service": "somebody's"}}, "image_unfit"),
        ({"Labels": {"com.docker.swarm.task": ""}}, "image_unfit"),
        ({"Env": ["A=" + "x" * 5000]}, "image_unfit"),
    ],
)
async def test_what_base_images_may_not_bring(
    yard: Yard, registry: ImageRegistry, config: dict[str, object], detail: str
) -> None:
    error = await yard.failing({"Dockerfile": f"FROM {registry.publish('app', **config)}\n" + CMD})
    assert (error.code, error.parameters["detail"]) == ("build_failed", detail)


async def test_an_image_that_is_too_large(
    yard: Yard, registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = registry.publish("app")
    monkeypatch.setattr(pulling, "LARGEST", 2)
    with pytest.raises(EngineError) as caught:
        await yard.build({"Dockerfile": f"FROM {image}\n" + CMD})
    assert caught.value.code == "build_too_large"
    assert not there(yard, image)
