"""Why something failed, as the customer keeps it: with parameters, and without the values of variables."""

from __future__ import annotations

from backend.engines.errors import EngineError, Reason, Retry
from backend.engines.exits import exited
from backend.processes.truth import deaf
from backend.services.environment import Redactor
from backend.services.failures import reason_of, told
from backend.services.models import Service, ServiceStatus


def test_no_value_of_a_variable_is_kept() -> None:
    lines = "starting\nsigning in with fog horn"
    error = EngineError("unit_exited", f"The app ended.\n{lines}", retry=Retry.BACKOFF, output=lines)
    failure = told(error.about({"because": "exit_7", "exit_status": 7}), Redactor(["fog horn"]))
    assert "fog horn" not in failure.message + str(failure.parameters)
    assert failure.parameters["output"] == "starting\nsigning in with •••"
    assert (failure.parameters["exit_status"], failure.retry) == (7, True)
    assert reason_of(failure) == Reason("unit_exited", failure.message, failure.parameters)


def test_a_service_says_why_for_programs_too() -> None:
    service = Service()
    service.becomes(ServiceStatus.CRASHED, exited(137))
    assert service.status_reason_code == "unit_exited"
    assert service.status_reason_parameters == {"because": "exit_137", "exit_status": 137}
    assert "memory" in (service.status_reason or "")
    service.becomes(ServiceStatus.RUNNING)
    assert (service.status_reason, service.status_reason_code, service.status_reason_parameters) == (
        None,
        None,
        None,
    )


def test_a_deaf_app_keeps_how_it_ended_before() -> None:
    assert deaf(exited(3)) == Reason(
        "unit_not_listening",
        "The app runs, but does not listen on its port. Before that: It ended with exit status 3.",
        {"because": "exit_other", "exit_status": 3, "detail": "deaf"},
    )
    assert deaf(None).parameters == {"detail": "deaf"}
