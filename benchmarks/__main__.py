"""`make bench [ONLY=name]`: run the benchmarks, one after another, on an otherwise idle machine."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback

from benchmarks.report import Result, Unable, show

NAMES = (
    "services_list",
    "auth_overhead",
    "token_issue",
    "deploy_overhead",
    "container_deploy",
    "edge_reload",
    "deploy_throughput",
    "ledger_post",
    "balance_flat",
    "metrics_cost",
    "panel_first_load",
    "rating_million",
    "make_up_warm",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=NAMES, action="append")
    chosen = parser.parse_args().only or NAMES
    results: list[Result] = []
    failed = False
    for name in chosen:
        begin = time.monotonic()
        print(f"  {name} …", end="", flush=True)
        try:
            results.append(importlib.import_module(f"benchmarks.{name}").run())
        except Unable as reason:
            failed = True
            print(f" skipped: {reason}", flush=True)
        except Exception:
            # What the others measured must not be lost with it.
            failed = True
            print(" failed", flush=True)
            traceback.print_exc()
        else:
            print(f" {time.monotonic() - begin:.0f} s", flush=True)
    show(results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
