"""A repository's own Dockerfile: what is understood, what is written anew, what is refused."""

from __future__ import annotations

import time

import pytest

from backend.engines.base import EngineError
from backend.engines.docker import ownfile

PYTHON = "FROM python:3.12-slim\n"
DOUBLING = "".join(f"ENV A{n + 1}=$A{n}${{A{n}}}\n" for n in range(40))


def rewritten(text: str, label: str = "LABEL a=b") -> list[str]:
    return ownfile.read(text).text(label, ["ARG CA=1"]).splitlines()


def test_continuations_comments_and_empty_lines() -> None:
    text = (
        "# syntax=docker/dockerfile:1\r\n\r\n  from python:3.12-slim AS One\r\n# remark\n"
        "run a \\\n  # inside\n\n  b \\  \n && c\n"
        "COPY . /x\\\n"
    )
    assert rewritten(text) == [
        "FROM python:3.12-slim AS One",
        "LABEL a=b",
        "ARG CA=1",
        "RUN a   b  && c",
        "COPY . /x",
    ]


def test_stages_arguments_and_foreign_flags() -> None:
    text = (
        "ARG VERSION=3.12\nARG IMAGE=python:$VERSION\n"
        "FROM --platform=$BUILDPLATFORM ${IMAGE}-slim AS build\nARG TARGETARCH PIP_INDEX_URL=x\n"
        "RUN --mount=type=cache,target=/root/.cache --mount=target=/x,type=cache pip install x\n"
        "FROM ${NONE:-node:22-slim}\nCOPY --link --chown=$USER:1 --from=build /a /b\n"
        "COPY --from=0 /a /b\nCOPY --from=busybox:1 /bin/sh /sh\nFROM scratch\nFROM build\n"
    )
    own = ownfile.read(text)
    assert own.images == ["python:3.12-slim", "node:22-slim", "busybox:1"]
    assert own.arguments == {"VERSION", "IMAGE", "TARGETARCH", "PIP_INDEX_URL"}
    lines = own.text("LABEL a=b", ["ARG CA=1"]).splitlines()
    assert "FROM python:3.12-slim AS build" in lines
    assert "RUN pip install x" in lines
    assert "COPY --chown=$USER:1 --from=build /a /b" in lines
    at = lines.index("FROM scratch")
    assert lines[at : at + 3] == ["FROM scratch", "LABEL a=b", "FROM build"]
    without = own.text("LABEL a=b", ["ARG CA=1"], last=False).splitlines()
    assert without[-2:] == ["FROM build", "LABEL a=b"]


def test_stages_of_the_engine_share_their_cache() -> None:
    text = ownfile.read("FROM a.b/c AS gavan-tools\nRUN x\nFROM gavan-tools AS y\n").text(
        "mine", [], shared="LABEL ours"
    )
    assert text.splitlines() == [
        "FROM a.b/c AS gavan-tools",
        "LABEL ours",
        "RUN x",
        "FROM gavan-tools AS y",
        "mine",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "FROM gavan/shop:1",
        "FROM docker.io/gavan/shop:1",
        "FROM registry.test:5000/gavan/shop:1",
        "FROM 3f",
        "FROM 3F",
        "FROM sha256:3fab",
        "FROM 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "ARG X=gav\nFROM ${X}an/shop",
        "ARG X=3\nFROM ${X}f",
        'ARG X="3f"\nFROM $X',
        "FROM ${X:-3f}",
        "FROM $X",
        "FROM \\\n  3f",
        "FROM python\\\n# remark\n:3 AS y\nFROM 3f",
        PYTHON + "COPY --from=3f / /x",
        PYTHON + "COPY --chown=1:1 --from=gavan/shop / /x",
        # Docker knows a stage only when it is over, and never by its number in FROM.
        "FROM debian\nFROM 0",
        "FROM debian\nFROM 13",
        "FROM debian\nCOPY --from=0 / /x",
        "FROM debian AS one\nCOPY --from=one1 / /x\nCOPY --from=1 / /x",
        "FROM debian AS one\nARG X\nFROM $X",
        "\ufeff\ufeffFROM 3f\nFROM debian",
        PYTHON + "COPY --from=scr$X / /x",
        PYTHON + "COPY --from=" + "9" * 5000 + " / /x",
        PYTHON + "COPY \\\n --from=3f / /x",
        PYTHON + "COPY --from=7 / /x",
        PYTHON + "add --from=ab / /x",
    ],
)
def test_images_of_other_customers_are_out_of_reach(text: str) -> None:
    with pytest.raises(EngineError) as caught:
        ownfile.read(text)
    assert caught.value.parameters["detail"] == "image_forbidden"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no FROM"),
        ("RUN x", "RUN comes before"),
        ("ENV A=1\nFROM debian", "ENV comes before"),
        ("ARG A", "no FROM"),
        ("FROM debian AS c976ff4384da\nCOPY --from=c976ff4384da /x /x", "an image's id could be"),
        ("FROM debian AS x\nFROM node AS X", "two stages"),
        (PYTHON + "ONBUILD ADD\tx http://127.0.0.1:9/ /d/", "ONBUILD is not supported"),
        (PYTHON + "ONBUILD " * 3000 + "RUN x", "ONBUILD is not supported"),
        (PYTHON + "ONBU\u0130LD COPY --from=3f / /x", "is no instruction"),
        (PYTHON + "COPY\u00a0--from=3f / /x", "is no instruction"),
        (PYTHON + "RUN x\n" * 400, "more than 300"),
        (PYTHON + "LABEL gavan.service=x", "is reserved"),
        (PYTHON + "LABEL a=b 'gavan.project'=x", "is reserved"),
        (PYTHON + "LABEL gavan.service x", "is reserved"),
        (PYTHON + "LABEL com.docker.swarm.task=x", "is reserved"),
        (PYTHON + "LABEL ga${X}van.service=x", "has a name"),
        (PYTHON + "LABEL 'ga'van.service=x", "has a name"),
        (PYTHON + "LABEL ga\\van.service=x", "has a name"),
        (PYTHON + "LABEL a='b", "quote is not closed"),
        (PYTHON + "ADD dist.tar.gz /x", "unpacks no archives"),
        (PYTHON + 'ADD ["a", "b.TGZ", "/x"]', "unpacks no archives"),
        (PYTHON + "ADD --chown=1 *.tar /x", "unpacks no archives"),
        ("# escape=`\nFROM python", "escape"),
        ("FROM python python", "FROM takes"),
        (PYTHON + "COPY --fr\\om=3f / /x", "not understood"),
        (PYTHON + 'COPY --from="3f" / /x', "not understood"),
        (PYTHON + "COPY --chown='1:1 --from=3f' / /x", "not understood"),
        (PYTHON + "RUN a\x0bCOPY --from=3f", "control characters"),
        (PYTHON + "RUN <<EOF\nCOPY --from=3f / /\nEOF", "here-documents"),
        (PYTHON + "ADD http://169.254.169.254/x /x", "ADD takes files"),
        (PYTHON + "ADD HTTPS://x.test/x /x", "ADD takes files"),
        (PYTHON + 'ADD ["h\\u0074tp://x", "/x"]', "ADD takes files"),
        (PYTHON + "ADD [1] /x", "ADD has no valid list"),
        ("ARG A=" + "x" * 600 + "\nFROM python:$A", "too long"),
        (PYTHON + "ENV A0=xxxxxxxx\n" + DOUBLING, "grows too large"),
        (PYTHON + "ARG A=" + "x" * 60000 + "\nLABEL x=" + "$A" * 4, "grows too large"),
        (PYTHON + 'ENV "A0"=x', "has a name"),
        (PYTHON + "ENV A$X=1", "has a name"),
        (PYTHON + "ENV B=" + "$\u00e9" * 9, "variable's name"),
        *(
            (PYTHON + f"ENV A {'x' * 60000}\n{name} " + "${A}" * 4, "grows too large")
            for name in ("WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "COPY x", "ADD x", "VOLUME", "ENV B=c=")
        ),
        ("ARG A0=xxxxxxxx\n" + DOUBLING.replace("ENV", "ARG") + "FROM python", "too l"),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused(text: str, problem: str) -> None:
    with pytest.raises(EngineError) as caught:
        ownfile.read(text)
    assert caught.value.code == "build_failed"
    assert problem in caught.value.message


def test_usual_things_are_left_alone() -> None:
    text = PYTHON + (
        'LABEL a.b="c d" e=$F\nLABEL maintainer some body\n'
        "COPY src/*.tar.gz $HOME/\nENV A='b c' D=\"e\"\nRUN echo $((1<<2)) 'from gavan/x' && cat <a\n"
        'ENTRYPOINT ["/bin/x", "--flag"]\nHEALTHCHECK CMD true\nEXPOSE 80\n'
    )
    assert rewritten(text)[3:] == text.splitlines()[1:]


def test_adding_is_copying() -> None:
    """The daemon fetches and unpacks for ADD, which no limit sees."""
    text = (
        PYTHON + "ADD --chown=1:1 a b.txt /x/\nENV U=http://127.0.0.1/\nADD ${U} /x\nADD h\\ttp://x.test/ /x"
    )
    assert rewritten(text)[3:] == [
        "COPY --chown=1:1 a b.txt /x/",
        "ENV U=http://127.0.0.1/",
        "COPY ${U} /x",
        "COPY h\\ttp://x.test/ /x",
    ]


def test_names_of_labels_lose_their_quotes() -> None:
    assert rewritten(PYTHON + 'LABEL "com.example.vendor"="A \\"B\\" C"')[3:] == [
        'LABEL com.example.vendor="A \\"B\\" C"'
    ]


def test_volumes_come_last() -> None:
    """So that no command can fill them; there the image is what lies in them otherwise."""
    text = (
        PYTHON
        + "VOLUME /data /data/ $X\nWORKDIR /app\nFROM node:22-slim\n"
        + 'VOLUME ["/b", "/app", "/"]\nRUN x'
    )
    own = ownfile.read(text)
    assert own.volumes == ["/data", "/b"]
    assert own.dropped == ["$X", "/app", ""]
    assert own.text("LABEL a=b", []).splitlines()[-2:] == ["RUN x", 'VOLUME ["/data", "/b"]']


def test_stages_are_known_when_they_are_over() -> None:
    text = (
        "FROM node AS One\nFROM debian\nCOPY --from=oNE / /x\nCOPY --from=0 / /x\nFROM ONE\nCOPY --from=1 / /"
    )
    assert ownfile.read(text).images == ["node", "debian"]
    assert "FROM one" in rewritten(text)


def test_no_file_stretches_the_time() -> None:
    began = time.monotonic()
    for text in (
        PYTHON + "RUN " + "--x " * 200_000 + "y",
        PYTHON + "RUN a\\\n" * 100_000,
        PYTHON + "RUN " + "\\ " * 300_000 + "y",
        PYTHON + "RUN --mount=" + "a," * 300_000 + " y",
        PYTHON + "CMD " + '"\\' * 300_000,
        PYTHON + "LABEL a=" + "b" * 120_000,
    ):
        ownfile.read(text)
    assert time.monotonic() - began < 5


def test_values_given_from_outside_grow_as_well() -> None:
    text = f"{PYTHON}ARG A=x\nENV B={'$A' * 15_000}\nENV C={'$A' * 15_000}\n"
    ownfile.read(text)
    with pytest.raises(EngineError, match="grows too large"):
        ownfile.read(text, {"A": "y" * 4000})
