"""Runs in a container that mounts volumes: how full they are, or what has to be done to one's folder.

The order, JSON on the command line, is `open`, `empty`, or a list of ids and whether each is bounded.
"""

import json
import os
import shutil
import sys

ONE, ALL = "/volume", "/volumes"


def main() -> None:
    order = json.loads(sys.argv[1])
    answer = {}
    if order == "open":
        os.chmod(ONE, 0o777)  # noqa: S103
    elif order == "empty":
        for name in os.listdir(ONE):
            path = os.path.join(ONE, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
    else:
        for name, bounded in order:
            folder = os.path.join(ALL, name)
            answer[name] = of_file_system(folder) if bounded else (of_folder(folder), 0)
    print(json.dumps(answer))


def of_file_system(folder: str) -> tuple[int, int]:
    facts = os.statvfs(folder)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize, facts.f_blocks * facts.f_frsize


def of_folder(folder: str) -> int:
    total, seen = 0, set()
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):
            try:
                facts = os.lstat(path)
            except OSError:
                continue
            if (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                total += facts.st_blocks * 512
    return total


if __name__ == "__main__":
    main()
