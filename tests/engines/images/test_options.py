"""Options of a build: which Dockerfile, up to which stage, with which arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.engines.base import EngineError
from backend.engines.docker.ownfile import find, read
from backend.engines.docker.pulled import PulledImages
from backend.engines.layout import Layout

FILE = """ARG BASE=python:3.12-slim
FROM ${BASE} AS build
ARG COLOUR=blue
RUN echo $COLOUR
FROM debian:stable-slim AS runtime
COPY --from=build /a /a
FROM golang:1 AS tests
RUN go test
"""


@pytest.mark.parametrize(
    ("target", "stages", "images"),
    [
        ("", 3, ["python:3.12-slim", "debian:stable-slim", "golang:1"]),
        ("runtime", 2, ["python:3.12-slim", "debian:stable-slim"]),
        ("RUNTIME", 2, ["python:3.12-slim", "debian:stable-slim"]),
        ("0", 1, ["python:3.12-slim"]),
        ("tests", 3, ["python:3.12-slim", "debian:stable-slim", "golang:1"]),
    ],
)
def test_up_to_a_stage(target: str, stages: int, images: list[str]) -> None:
    own = read(FILE, {}, target)
    assert (len(own.stages) - 1, own.images) == (stages, images)


def test_no_such_stage() -> None:
    with pytest.raises(EngineError, match="no stage 'nowhere'"):
        read(FILE, {}, "nowhere")


def test_arguments() -> None:
    assert read(FILE, {"BASE": "node:22-slim"}).images[0] == "node:22-slim"
    assert "COLOUR" in read(FILE).arguments
    # What an argument leads to is checked as what is written.
    for image in ("3f", "gavan/other:1", "sha256:" + "a" * 64):
        with pytest.raises(EngineError) as caught:
            read(FILE, {"BASE": image})
        assert caught.value.parameters["detail"] == "image_forbidden"


def test_which_dockerfile(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deploy").mkdir(parents=True)
    (source / "deploy" / "Dockerfile.web").write_text("FROM a")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "Dockerfile").write_text("FROM b")
    (source / "out").symlink_to(tmp_path / "outside")
    (source / "link").symlink_to(source / "deploy" / "Dockerfile.web")
    assert find(source, "") is None
    assert find(source, "deploy/Dockerfile.web") == "FROM a"
    for path in ("nowhere", "deploy", "out/Dockerfile", "link", "../outside/Dockerfile"):
        with pytest.raises(EngineError) as caught:
            find(source, path)
        assert caught.value.parameters["detail"] == "dockerfile_missing", path


def test_a_private_base_image_is_its_projects_own(tmp_path: Path) -> None:
    """Another project has to fetch it with a login of its own, though the image is there."""
    pulled = PulledImages(Layout(tmp_path))
    pulled.add("ghcr.io/me/base:1", "sha256:1", "ada")
    known = pulled.use("ghcr.io/me/base:1", "sha256:1")
    assert known is not None
    assert (known.is_for("ada"), known.is_for("eve"), known.is_for("")) == (True, False, False)
    pulled.add("ghcr.io/me/base:1", "sha256:1", "bob")
    known = pulled.use("ghcr.io/me/base:1", "sha256:1")
    assert known is not None
    assert (known.is_for("ada"), known.is_for("bob"), known.is_for("eve")) == (True, True, False)
    # Another image of the same name is nobody's yet.
    pulled.add("ghcr.io/me/base:1", "sha256:2", "bob")
    known = pulled.use("ghcr.io/me/base:1", "sha256:2")
    assert known is not None
    assert not known.is_for("ada")
    pulled.add("ghcr.io/me/base:1", "sha256:2")
    known = pulled.use("ghcr.io/me/base:1", "sha256:2")
    assert known is not None
    assert known.is_for("eve")
