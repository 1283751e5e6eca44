"""A swarm of two nodes of the test's own: one dies, and what ran there runs on the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engines.test_dockerd import alone, archive  # noqa: F401  (a fixture)


@pytest.mark.timeout(300)
def test_a_node_dies(archive: Path) -> None:  # noqa: F811
    missing = [tool for tool in ("docker-registry", "htpasswd", "nsenter") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"two nodes need {', '.join(missing)}")
    print(alone("tests.engines.twonodes", archive))
