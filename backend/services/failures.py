"""An engine's error on its way to the customer: what the job and the deployment keep of it."""

from __future__ import annotations

from backend.engines.errors import EngineError, Reason, Retry
from backend.jobs.runner import JobError
from backend.services.environment import Redactor

LONGEST = 2000


def told(error: EngineError, redact: Redactor) -> JobError:
    """Without the values of variables: the app's last lines may hold them."""
    parameters = {
        name: redact(value)[-LONGEST:] if isinstance(value, str) else value
        for name, value in error.parameters.items()
    }
    retry = error.retry is Retry.BACKOFF
    return JobError(error.code, redact(error.message), retry=retry, parameters=parameters)


def reason_of(error: JobError) -> Reason:
    return Reason(error.code, error.message, error.parameters)
