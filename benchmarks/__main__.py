"""`make bench [ONLY=name]`: run the benchmarks, one after another, on an otherwise idle machine."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from benchmarks.report import Result, show

NAMES = ("services_list", "deploy_overhead", "panel_first_load", "make_up_warm")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=NAMES, action="append")
    chosen = parser.parse_args().only or NAMES
    results: list[Result] = []
    for name in chosen:
        begin = time.monotonic()
        print(f"  {name} …", end="", flush=True)
        results.append(importlib.import_module(f"benchmarks.{name}").run())
        print(f" {time.monotonic() - begin:.0f} s", flush=True)
    show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
