"""The stage of a generated Dockerfile that builds a Go module's programs."""

from __future__ import annotations

from pathlib import Path

from backend.engines.detect import GO_COMMAND, is_file
from backend.engines.docker.bases import index_arguments

# The programs hold all they need but the certificates that they trust.
FINAL = ["COPY --from=go-build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/"]


def stage(root: Path, package: str, image: str) -> list[str]:
    files = " ".join(f"app/{name}" for name in ("go.mod", "go.sum") if is_file(root / name))
    target = "bin/" if package == "./..." else GO_COMMAND
    vendored = is_file(root / "vendor" / "modules.txt")
    return [
        f"FROM {image} AS go-build",
        *index_arguments("GO"),
        "ENV CGO_ENABLED=0",
        "WORKDIR /src",
        *([] if vendored else [f"COPY {files} ./", "RUN go mod download"]),
        "COPY app ./",
        f"RUN mkdir -p bin && go build -o {target} {package}",
    ]
