"""node/firewall by itself, with either tool: a bridge, a tenant on it and the outside, without any Docker."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "node" / "firewall"
ALONE = ("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "--")


@pytest.mark.parametrize("tool", ["iptables", "nft"])
def test_rules_hold_and_go_again(tool: str, tmp_path: Path) -> None:
    if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin"):
        pytest.skip(f"{tool} is not installed")
    trial = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    if trial.returncode:
        pytest.skip("namespaces need root")
    told = [sys.executable, "-m", "tests.engines.bridge", str(tmp_path), tool]
    done = subprocess.run([*ALONE, *told], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--allow", "10.0.0.9:443"], "-A GAVAN-OUT -p tcp -d 10.0.0.9 --dport 443 -j RETURN"),
        (["--allow", "10.9.0.0/16"], "-A GAVAN-IN -d 10.9.0.0/16 -j RETURN"),
        (["--deny", "198.51.100.0/24"], "-A GAVAN-OUT -d 198.51.100.0/24 -j REJECT"),
        (["--dns", "10.1.1.1"], "-A GAVAN-OUT -p udp -d 10.1.1.1 --dport 53 -j RETURN"),
        (["--bridges", "br-a br+"], "-A GAVAN-FORWARD -i br+ -j GAVAN-OUT"),
    ],
)
def test_options(words: list[str], expected: str) -> None:
    if not shutil.which("iptables", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        pytest.skip("iptables is not installed")
    done = subprocess.run([SCRIPT, "show", *words], capture_output=True, text=True, check=True)
    assert expected in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["show", "--allow", "10.0.0.9; reboot"],
        ["show", "--allow", "10.0.0.9:x"],
        ["show", "--deny", "$(id)"],
        ["show", "--bridges", "a'b"],
        ["show", "--tool", "ufw"],
        ["show", "--allow"],
        ["shown"],
        [],
    ],
)
def test_what_is_wrong_is_refused(words: list[str]) -> None:
    done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr
