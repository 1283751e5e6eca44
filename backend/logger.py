"""Logging: loguru to stdout, the standard library's loggers led into it, secrets cut out.

Every line carries the request's or the job's id, where there is one.
"""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import orjson
from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)

_SECRETS = (
    # A token of ours, wherever it stands: a deploy hook's is a part of an address.
    re.compile(r"\bgavan_[a-z]+_[\w-]{20,}"),
    re.compile(r"\bwhsec_[\w+/=-]{20,}"),
    re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"),
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]+"),
    re.compile(r"(?i)(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(
        r"(?i)\b(?:password|passwd|secret|secret_key|client_secret|access_token|refresh_token|authorization)"
        r"[\"']?\s*[=:]\s*[\"']?(?!Bearer\b)([^\s\"'&,;}]+)"
    ),
)
_PRETTY = (
    "<green>{time:HH:mm:ss.SSS}</green> <level>{level: <7}</level> <cyan>{name}</cyan> "
    "{extra[context]}{message}"
)


def redact(text: str) -> str:
    """Replace what looks like a token, a password or credentials in a URL, and what is no UTF-8."""
    for pattern in _SECRETS:
        text = pattern.sub(_cut, text)
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(match: re.Match[str]) -> str:
    if match.re.groups and match.group(1):
        start = match.start(1) - match.start(0)
        return match.group(0)[:start] + "•••"
    return "•••"


class _Intercept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.patch(lambda r: r.update({"name": record.name})).opt(exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )


def _bind(record: Record) -> None:
    record["message"] = redact(record["message"])
    ids = {"request_id": request_id.get(), "job_id": job_id.get()}
    record["extra"].update({name: value for name, value in ids.items() if value})
    shown = [value[:8] for value in ids.values() if value]
    record["extra"]["context"] = f"[{' '.join(shown)}] " if shown else ""


def _json_sink(message: Message) -> None:
    record = message.record
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "logger": record["name"],
        "message": record["message"],
        **{key: value for key, value in record["extra"].items() if key != "context"},
    }
    if record["exception"] is not None:
        line["exception"] = redact(str(message).partition("\n")[2].strip())
    sys.stdout.write(orjson.dumps(line, default=str).decode() + "\n")
    sys.stdout.flush()


def setup(level: str, form: str) -> None:
    """Install the sinks; call once per process. `form` is `pretty` or `json`."""
    logger.remove()
    logger.configure(patcher=_bind)
    # `diagnose` would print the values of local variables, secrets among them.
    if form == "json":
        logger.add(_json_sink, level=level, format="{message}", backtrace=False, diagnose=False)
    else:
        logger.add(_pretty_sink, level=level, format=_PRETTY, backtrace=False, diagnose=False, colorize=None)
    logging.basicConfig(handlers=[_Intercept()], level=logging.getLevelName(level), force=True)
    # Authlib prints tokens at DEBUG, the others drown everything else: Celery tells of each tick twice.
    quiet = ("authlib", "httpx", "httpcore", "asyncio", "urllib3", "dulwich")
    for name in (*quiet, "celery.beat", "celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "celery", "celery.task", "kombu"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    # The edge logs requests, without query strings; a second line costs a fifth of a short request.
    requests = logging.getLogger("uvicorn.access")
    requests.handlers, requests.propagate = [], False


def _pretty_sink(message: Message) -> None:
    sys.stdout.write(redact(str(message)) if message.record["exception"] else str(message))
    sys.stdout.flush()
