"""`deploy_throughput`: 50 orders of an image queued at once, against Swarm alone at the same concurrency.

Counted is until every one of them answers: through the edge for the panel's, at its port for those that are
made by hand. The panel's deployer works on three at once, and so do the hands.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.checkout import fresh_checkout
from benchmarks.container_deploy import serve_by_hand
from benchmarks.containers import Harbour, harbour
from benchmarks.deploy_overhead import Panel
from benchmarks.report import Result

COUNT = 50
AT_ONCE = 3
"""Processes of the deployer: `backend/celery/crew.py`."""


def run() -> Result:
    with (
        tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder,
        harbour(Path(folder)) as present,
        # The first keeps network and image, and counts too.
        fresh_checkout(**present.settings(), SERVICES_PER_PROJECT=str(COUNT + 1)) as checkout,
    ):
        # Nothing has to be built for this.
        shutil.rmtree(checkout.root / "examples")
        checkout.make("up")
        panel = Panel(checkout, {"image": present.image})
        panel.deploy(keep=True)
        remove(present, [serve_by_hand(present)[0]])
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as hands:
            served = list(hands.map(lambda _: serve_by_hand(present)[0], range(COUNT)))
        by_hand = COUNT / (time.monotonic() - began)
        remove(present, served)
        began = time.monotonic()
        panel.deploy_many(COUNT)
        deployed = COUNT / (time.monotonic() - began)
        panel.delete_all()
    return Result(
        name="deploy_throughput",
        value=deployed,
        unit="deploys/s",
        ratio=deployed / by_hand,
        aim="ratio >= 0.8",
        runs=COUNT,
        facts=[("docker service create, three at once", f"{by_hand:.2f} services/s")],
    )


def remove(present: Harbour, services: Sequence[str]) -> None:
    """And wait: what ends still keeps the daemon busy, and would slow down who comes next."""
    for service in services:
        present.client.remove_service(service)
    for service in services:
        while present.client.containers(filters={"label": f"com.docker.swarm.service.id={service}"}):
            time.sleep(0.2)
