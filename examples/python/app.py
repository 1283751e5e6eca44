"""A small Flask page: shows a greeting from the environment, and answers /health."""

import os
import platform
from datetime import UTC, datetime

from flask import Flask, render_template

STARTED = datetime.now(UTC)

app = Flask(__name__)
print(f"Hello from Python {platform.python_version()}, the greeting is ready", flush=True)


@app.get("/")
def index() -> str:
    return render_template(
        "index.html",
        greeting=os.environ.get("GREETING", "Hello, harbour!"),
        python=platform.python_version(),
        started=STARTED.strftime("%H:%M:%S UTC"),
    )


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
