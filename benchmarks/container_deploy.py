"""`container_deploy`: from POST of an image's order to the first 200 through the edge, against `docker run`.

The image is present in both cases: another service of the project runs it. Both have the same limits, and
take turns. Beside them stands what Swarm alone needs for such a service, by `docker service create`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.checkout import fresh_checkout
from benchmarks.containers import PORT, Harbour, free_port, harbour
from benchmarks.deploy_overhead import PARTS, Panel, spread, until_answers
from benchmarks.report import Result, middle

RUNS = 7


def run() -> Result:
    with (
        tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder,
        harbour(Path(folder)) as present,
        fresh_checkout(**present.settings()) as checkout,
    ):
        # Nothing has to be built for this.
        shutil.rmtree(checkout.root / "examples")
        checkout.make("up")
        panel = Panel(checkout, {"image": present.image})
        # The project's network and the image stay with the first.
        panel.deploy(keep=True)
        run_by_hand(present)
        deployed, done, swarm = [], [], []
        for _ in range(RUNS):
            deployed.append(panel.deploy())
            done.append(run_by_hand(present))
            service, seconds = serve_by_hand(present)
            present.client.remove_service(service)
            swarm.append(seconds)
        panel.delete_all()
    whole, by_hand = middle([one["whole"] for one in deployed]), middle(done)
    return Result(
        name="container_deploy",
        value=whole,
        unit="s",
        ratio=whole / by_hand,
        aim="ratio below 2",
        runs=RUNS,
        facts=[
            ("order to first 200 through the edge", spread([one["whole"] for one in deployed])),
            ("docker run to first 200", spread(done)),
            ("docker service create to first 200", spread(swarm)),
            ("ratio to docker service create", f"{whole / middle(swarm):.2f}"),
            *((f"panel: {name}", f"{middle([one[name] for one in deployed]):.3f} s") for name in PARTS),
        ],
    )


def run_by_hand(present: Harbour) -> float:
    """Seconds of `docker run` and of waiting for the app, with what the panel limits limited too."""
    port = free_port()
    limits = ("--memory=256m", "--cpus=0.5", "--pids-limit=64", "--cap-drop=ALL", "--read-only", "--init")
    command = ("run", "--detach", "--publish", f"127.0.0.1:{port}:{PORT}", *limits, present.image)
    container, seconds = timed(present, command, port)
    present.client.remove_container(container, force=True)
    return seconds


def serve_by_hand(present: Harbour) -> tuple[str, float]:
    """The service, which runs on, and the seconds until it answered."""
    port = free_port()
    limits = ("--limit-memory=256m", "--limit-cpu=0.5", "--cap-drop=ALL", "--read-only", "--init")
    published = f"--publish=mode=host,target={PORT},published={port}"
    command = ("service", "create", "--detach", "--no-resolve-image", published, *limits, present.image)
    return timed(present, command, port)


def timed(present: Harbour, command: tuple[str, ...], port: int) -> tuple[str, float]:
    """What `docker` printed, and the seconds until the app answered."""
    env = {**os.environ, "DOCKER_HOST": present.host}
    began = time.monotonic()
    done = subprocess.run(("docker", *command), env=env, capture_output=True, text=True, check=True)
    until_answers(port, f"localhost:{port}")
    return done.stdout.strip(), time.monotonic() - began
