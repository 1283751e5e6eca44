"""The kinds of jobs that backups know."""

from __future__ import annotations

from backend.backups.making import Making
from backend.backups.restoring import Restoring
from backend.backups.verifying import Verifying
from backend.backups.working import Place
from backend.jobs.runner import Kind


def kinds(place: Place) -> dict[str, Kind]:
    making, verifying, restoring = Making(place), Verifying(place), Restoring(place)
    return {
        "backup.make": Kind(making.work, making.fail, making.cancel),
        "backup.verify": Kind(verifying.work, verifying.fail, verifying.cancel),
        "backup.restore": Kind(restoring.work, restoring.fail, restoring.cancel),
    }
