"""The base of `token_issue`: nothing but verifications of the panel's own Argon2 hash.

`python -m benchmarks.bare_argon2 SECONDS`: in as many threads as the panel gives to it, from a process of
its own. Prints `{"verifications", "seconds"}`.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from backend.users import passwords

PASSWORD = "a lighthouse on a foggy quay"


def main() -> None:
    seconds = float(sys.argv[1])
    stored = passwords._hasher.hash(PASSWORD)
    begin = time.perf_counter()

    def verify(_: int) -> int:
        done = 0
        while time.perf_counter() < begin + seconds:
            assert passwords._hasher.verify(PASSWORD, stored)
            done += 1
        return done

    threads = passwords._threads._max_workers
    with ThreadPoolExecutor(threads) as pool:
        verifications = sum(pool.map(verify, range(threads)))
    print(json.dumps({"verifications": verifications, "seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
