"""What customers' containers and builds reach, and whom they can harm: on a node of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engines.test_dockerd import alone, archive  # noqa: F401  (a fixture)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_tenants_and_builds_are_held_back(archive: Path) -> None:  # noqa: F811
    if not shutil.which("iptables"):
        pytest.skip("a firewall needs iptables")
    print(alone("tests.engines.isolation", archive))
