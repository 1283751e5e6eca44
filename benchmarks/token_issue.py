"""`token_issue`: access tokens by password, against bare Argon2 verification with the same parameters.

Everything on: limits in Redis, the session, its refresh token, the trail and the history of sign-ins in
PostgreSQL, the signature. One uvicorn worker, 32 people who sign in again and again. Argon2 fills the
cores in both, so the ratio says which part of the machine's time goes into checking passwords; base and
panel take turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.bare_argon2 import PASSWORD
from benchmarks.report import Result, middle
from benchmarks.servers import ROOT, Installation, client, load

PEOPLE = 32
ROUNDS = 5
SECONDS = 6.0
FORM = {"content-type": "application/x-www-form-urlencoded"}
UNLIMITED = {"LOGIN_RATE_PER_ADDRESS": "1000000/minute", "REGISTRATION_RATE_PER_ADDRESS": "1000000/minute"}


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        panel = installation.serve("backend.main:create_app", "panel", **UNLIMITED)
        people = [f"person-{number}@example.com" for number in range(PEOPLE)]
        with client(panel) as http:
            for email in people:
                http.post("/api/v1/users", json={"email": email, "password": PASSWORD}).raise_for_status()
        return measure(panel, installation, [body_of(email) for email in people])


def body_of(email: str) -> str:
    form = {"grant_type": "password", "client_id": "cli", "username": email, "password": PASSWORD}
    return urlencode(form)


def measure(panel: Path, installation: Installation, bodies: list[str]) -> Result:
    def issued(seconds: float) -> tuple[float, float]:
        """Tokens a second, and the middle time of a sign-in in milliseconds."""
        said = load(panel, "/oauth/token", FORM, seconds=seconds, connections=PEOPLE, bodies=bodies)
        return said["requests"] / said["seconds"], said["p50"] * 1e3

    def verified() -> float:
        command = [sys.executable, "-m", "benchmarks.bare_argon2", str(SECONDS)]
        env = {**installation.env, "PATH": ""}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        return float(said["verifications"] / said["seconds"])

    issued(2)
    bases, tokens = [verified()], []
    ratios = []
    for _ in range(ROUNDS):
        tokens.append(issued(SECONDS))
        bases.append(verified())
        ratios.append(tokens[-1][0] / ((bases[-2] + bases[-1]) / 2))
    return Result(
        name="token_issue",
        value=middle([rate for rate, _ in tokens]),
        unit="tokens/s",
        ratio=middle(ratios),
        aim="ratio >= 0.8",
        runs=ROUNDS,
        facts=[
            ("base: Argon2 alone, 19 MiB, t=2, p=1", f"{middle(bases):8,.1f} verifications/s"),
            ("a sign-in, 32 at once", f"p50 {middle([p50 for _, p50 in tokens]):6.0f} ms"),
            ("ratio, lowest and highest round", f"{min(ratios):.2f} … {max(ratios):.2f}"),
        ],
    )
