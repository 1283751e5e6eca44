"""`make_up_warm`: from `make up` to a panel that can be used, with all packages in the cache already.

The first run of a fresh copy makes everything: environment, database, keys, the example app. The runs
after `make down` find their data. The panel counts as usable when its page and its API answer.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx

from benchmarks.checkout import Checkout, fresh_checkout
from benchmarks.report import Result, middle

RUNS = 3
GIVE_UP = 300.0


def run() -> Result:
    fresh, fresh_whole, again, again_whole, unchanged = [], [], [], [], []
    memory = 0.0
    for _ in range(RUNS):
        with fresh_checkout() as checkout:
            usable, whole = up(checkout)
            fresh.append(usable)
            fresh_whole.append(whole)
            unchanged.append(up(checkout)[1])
            checkout.make("down")
            usable, whole = up(checkout)
            again.append(usable)
            again_whole.append(whole)
            memory = at_rest(checkout)
    return Result(
        name="make_up_warm",
        value=middle(fresh),
        unit="s",
        ratio=None,
        aim="below 15 s",
        runs=RUNS,
        facts=[
            ("fresh clone, until the panel can be used", f"{min(fresh):.1f} … {max(fresh):.1f} s"),
            ("fresh clone, until the example app is live", f"{middle(fresh_whole):.1f} s"),
            ("after make down, until it can be used", f"{middle(again):.1f} s"),
            ("after make down, until make up returns", f"{middle(again_whole):.1f} s"),
            ("a second make up, which changes nothing", f"{middle(unchanged):.2f} s"),
            ("memory of all parts at rest (PSS)", f"{memory:.0f} MB"),
        ],
    )


def up(checkout: Checkout) -> tuple[float, float]:
    """Seconds until the panel can be used, and until `make up` returns."""
    usable: list[float] = []
    begin = time.monotonic()

    def watch() -> None:
        while not usable and time.monotonic() - begin < GIVE_UP:
            if answers(checkout.panel):
                usable.append(time.monotonic() - begin)
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        checkout.make("up")
    finally:
        whole = time.monotonic() - begin
        watcher.join()
    return usable[0], whole


def answers(panel: str) -> bool:
    try:
        with httpx.Client(base_url=panel, trust_env=False, timeout=2) as http:
            return all(http.get(path).status_code == 200 for path in ("/", "/api/v1/ready"))
    except httpx.HTTPError:
        return False


def at_rest(checkout: Checkout) -> float:
    """Megabytes of all parts and their children, shared pages counted once; customers' apps left out."""
    time.sleep(5)
    roots = {part["pid"] for name, part in checkout.status()["parts"].items() if name != "apps"}
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = set(roots)
    while grown := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
        family |= grown
    return sum(proportional_kilobytes(pid) for pid in family) / 1000


def proportional_kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
