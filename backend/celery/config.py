"""How Celery is set: results are disposable, the truth is in PostgreSQL (`docs/decisions/0003-jobs.md`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backend.config import Settings

HOUR = 3600.0


def broker_url(settings: Settings) -> str:
    """kombu spells a unix socket `redis+socket://`, redis-py spells it `unix://`."""
    url = settings.redis_url.get_secret_value()
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}" + (f"?virtual_host={query.removeprefix('db=')}" if query else "")


def configuration(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": broker_url(settings),
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": 24 * 3600,
            "socket_timeout": 5,
            "socket_connect_timeout": 3,
            "retry_on_timeout": False,
        },
        "task_publish_retry": False,
        "task_ignore_result": True,
        "task_default_queue": "default",
        "task_queues": None,
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "beat_schedule": {
            "relay": _every(settings.job_relay_seconds, "jobs.relay"),
            "relay-letters": _every(settings.job_relay_seconds, "letters.relay"),
            "reconcile": _every(settings.reconcile_seconds, "services.reconcile"),
            "metrics": _every(settings.metrics_seconds, "metrics.collect", "monitoring"),
            "examine-engine": _every(HOUR / 4, "services.examine_engine"),
            "domains": _every(settings.domains_check_seconds, "domains.keep_up", "domains"),
            "cron-jobs": _every(settings.cron_tick_seconds, "cronjobs.tick"),
            "backups": _every(settings.backup_tick_seconds, "backups.tend"),
            "poll-payments": _every(settings.payment_poll_seconds, "payments.poll", "billing"),
            "rating": _every(HOUR / 12, "billing.rating", "billing"),
            "traffic": _every(HOUR / 60, "billing.traffic", "billing"),
            "invoicing": _every(HOUR, "billing.invoice", "billing"),
            "vat-numbers": _every(HOUR, "billing.vat_numbers", "billing"),
            "verify-ledger": _every(HOUR / 6, "billing.verify", "billing"),
            "dunning": _every(HOUR / 6, "billing.dunning", "billing"),
            "relay-commit-statuses": _every(settings.job_relay_seconds, "statuses.relay"),
            "expire-previews": _every(HOUR, "previews.expire"),
            "tend-volumes": _every(settings.reconcile_seconds, "volumes.tend"),
            "measure-volumes": _every(HOUR / 12, "volumes.measure"),
            "sweep-services": _every(HOUR, "services.sweep"),
            "sweep-users": _every(HOUR, "users.sweep"),
            "rotate-keys": _every(HOUR, "users.rotate_keys"),
        },
        "beat_max_loop_interval": 1,
    }


def _every(seconds: float, task: str, queue: str = "default") -> dict[str, Any]:
    # A tick that nobody picked up in time is worthless: the next one does its work.
    options = {"expires": max(10.0, 2 * min(seconds, 300.0)), "queue": queue}
    return {"task": task, "schedule": timedelta(seconds=seconds), "options": options}
