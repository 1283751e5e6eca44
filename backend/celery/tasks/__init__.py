"""Celery tasks: about ten lines each. A task carries ids and calls a capability."""

from backend.celery.tasks import deployment_tasks, email_tasks, job_tasks, user_tasks

__all__ = ["deployment_tasks", "email_tasks", "job_tasks", "user_tasks"]
