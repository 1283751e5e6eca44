"""`RUN --mount=type=secret`: commands have what they ask for while they run, and nothing of it stays."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import NotFound

from backend.engines.base import BuildSpec, EngineError
from backend.engines.docker import buildsecrets
from backend.engines.docker.ownfile import read
from tests.engines.images.conftest import Yard

SECRET = "s3cr3t'\"$(id)`\\ ключ"
MULTILINE = "[registry]\ntoken=deep-sea-42\n\n"


def dockerfile(*lines: str) -> dict[str, str | bytes]:
    return {"Dockerfile": "\n".join(("FROM python:3.12-slim", *lines, 'CMD ["true"]', ""))}


def whole(yard: Yard, spec: BuildSpec) -> Iterator[bytes]:
    """All that the image is made of, file by file."""
    image = yard.client.get_image(yard.images.reference(spec.service_id, spec.deployment_id))
    with tarfile.open(fileobj=io.BytesIO(b"".join(image))) as outer:
        for entry in outer:
            if (file := outer.extractfile(entry)) is None:
                continue
            content = file.read()
            yield gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


async def test_a_command_has_them_and_the_image_does_not(yard: Yard) -> None:
    yard.secrets = {"NPM_TOKEN": SECRET, "pip.conf": "", "DEEP": MULTILINE}
    spec, _ = await yard.build(
        dockerfile(
            "RUN --mount=type=secret,id=NPM_TOKEN sha256sum /run/secrets/NPM_TOKEN | cut -c-64 > /default",
            "RUN --mount=type=secret,id=deep,target=/root/.config/deep/rc,mode=0440,gid=7 "
            "stat -Lc '%a %u %g' /root/.config/deep/rc > /stat && wc -c < /root/.config/deep/rc >> /stat",
            'RUN --mount=type=secret,id=NPM_TOKEN,env=TOKEN ["python3", "-c", '
            "\"import hashlib, os; open('/variable', 'w')"
            ".write(hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest())\"]",
            "RUN --mount=type=secret,id=npm-token --mount=type=secret,id=deep,dst=/etc/deep.conf,required "
            "test -s /run/secrets/npm-token && grep -q deep-sea /etc/deep.conf",
            "RUN ls -A /run /root /dev/shm > /left; env | cut -d= -f1 >> /left",
        )
    )
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    assert yard.run(spec, "cat", "/default", "/variable").split("\n") == [digest, digest]
    assert yard.run(spec, "cat", "/stat").split("\n")[:2] == ["440 0 7", str(len(MULTILINE))]
    left = yard.run(spec, "cat", "/left")
    for word in ("secrets", ".config", "gavan", "TOKEN"):
        assert word not in left, left
    found = b"".join(whole(yard, spec))
    for value in (SECRET, "deep-sea-42"):
        for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            assert form.encode() not in found
            assert form not in "\n".join(yard.lines)
    assert "— RUN --mount=type=secret,id=NPM_TOKEN sha256sum" in "\n".join(yard.lines)
    assert "/dev/shm" not in "\n".join(yard.lines).replace("ls -A /run /root /dev/shm", "")
    assert yard.containers() == []


async def test_what_lay_there_comes_back(yard: Yard) -> None:
    yard.secrets = {"HOSTS": "of the secret"}
    spec, _ = await yard.build(
        dockerfile(
            "RUN mkdir /app && echo of the image > /app/.env && useradd sailor",
            "RUN --mount=type=secret,id=hosts,target=/app/.env grep -q secret /app/.env",
            "USER sailor",
            "RUN --mount=type=secret,id=hosts,mode=0444 grep -q secret /run/secrets/hosts",
            "RUN --mount=type=secret,id=hosts ! cat /run/secrets/hosts 2>/dev/null",
        )
    )
    assert yard.run(spec, "sh", "-c", "cat /app/.env; ls -A /app") == "of the image\n.env\n"
    assert "secrets" not in yard.run(spec, "ls", "-A", "/run")


async def test_another_shell_and_the_commands_end(yard: Yard) -> None:
    yard.secrets = {"TOKEN": "deep-sea-42"}
    error = await yard.failing(
        dockerfile(
            'SHELL ["/bin/bash", "-eo", "pipefail", "-c"]',
            "RUN --mount=type=secret,id=TOKEN,env=T [[ $T == deep-sea-4? ]] && exit 7",
        )
    )
    assert error.parameters["exit_status"] == 7
    assert "[[ $T == deep-sea-4? ]]" in str(error)
    assert yard.containers() == []


async def test_without_a_value(yard: Yard) -> None:
    asked = "RUN --mount=type=secret,id=TOKEN{} test ! -e /run/secrets/TOKEN"
    await yard.build(dockerfile(asked.format("")))
    assert "The secret TOKEN is not there: no variable has its name" in yard.lines
    error = await yard.failing(dockerfile(asked.format(",required=true")))
    assert (error.code, error.parameters["detail"], error.parameters["secret"]) == (
        *("build_failed", "secret_missing", "TOKEN"),
    )


async def test_the_cache_goes_by_the_command(yard: Yard) -> None:
    files = dockerfile("RUN --mount=type=secret,id=TOKEN cksum < /run/secrets/TOKEN > /sum")
    made = []
    for token in ("one", "two"):
        yard.secrets = {"TOKEN": token}
        spec, _ = await yard.build(files)
        made.append(yard.run(spec, "cat", "/sum"))
    assert made[0] == made[1]


async def test_a_command_that_imitates_the_builder_gets_nothing(yard: Yard, tmp_path: Path) -> None:
    """It names another container of the project, which waits as the asking command's would."""
    yard.secrets = {"TOKEN": "deep-sea-42"}
    got = tmp_path / "got"
    got.mkdir()
    other = yard.client.create_container(
        "python:3.12-slim",
        ["sh", "-c", "until [ -e /dev/shm/.gavan ]; do sleep 0.1; done; touch /got/it"],
        labels={"gavan.instance": yard.instance, "gavan.project": yard.project},
        host_config=yard.client.create_host_config(binds=[f"{got}:/got"]),
    )["Id"]
    try:
        yard.client.start(other)
        await yard.build(
            dockerfile(
                f"RUN --mount=type=secret,id=TOKEN echo ' ---> Running in {other[:12]}'; sleep 1; "
                "test -s /run/secrets/TOKEN"
            )
        )
        assert list(got.iterdir()) == []
    finally:
        # The build takes along what it named.
        with contextlib.suppress(NotFound):
            yard.client.remove_container(other, force=True)


@pytest.mark.parametrize(
    "options",
    [
        "type=secret",
        "type=secret,id=",
        "type=secret,id=../x",
        "type=secret,id=a,target=relative",
        "type=secret,id=a,target=/a/../etc/passwd",
        "type=secret,id=a,target=/a;reboot",
        "type=secret,id=a,env=A=B",
        "type=secret,id=a,env=1A",
        "type=secret,id=a,mode=9999",
        "type=secret,id=a,uid=root",
        "type=secret,id=a,required=maybe",
        "type=secret,id=a,from=stage",
        "type=secret,id=" + "a" * 200,
    ],
)
def test_what_is_no_secret(options: str) -> None:
    with pytest.raises(EngineError) as caught:
        read(f"FROM python:3\nRUN --mount={options} true\n")
    assert caught.value.parameters["detail"] == "dockerfile_invalid"


def test_too_many_and_twice_the_same_and_an_agent() -> None:
    many = " ".join(f"--mount=type=secret,id=a{number}" for number in range(buildsecrets.MOST + 1))
    for flags in (many, "--mount=type=secret,id=a " * 2, "--mount=type=ssh", "--mount=id=x,type=ssh"):
        with pytest.raises(EngineError):
            read(f"FROM python:3\nRUN {flags} true\n")
