"""Celery tasks: about ten lines each. A task carries ids and calls a capability."""

from backend.celery.tasks import (
    billing_tasks,
    deployment_tasks,
    domain_tasks,
    email_tasks,
    job_tasks,
    user_tasks,
)

__all__ = ["billing_tasks", "deployment_tasks", "domain_tasks", "email_tasks", "job_tasks", "user_tasks"]
