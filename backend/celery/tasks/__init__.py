"""Celery tasks: about ten lines each. A task carries ids and calls a capability."""

from backend.celery.tasks import (
    backup_tasks,
    billing_tasks,
    cron_tasks,
    deployment_tasks,
    domain_tasks,
    email_tasks,
    forge_tasks,
    job_tasks,
    monitoring_tasks,
    user_tasks,
)

__all__ = [
    "backup_tasks",
    "billing_tasks",
    "cron_tasks",
    "deployment_tasks",
    "domain_tasks",
    "email_tasks",
    "forge_tasks",
    "job_tasks",
    "monitoring_tasks",
    "user_tasks",
]
