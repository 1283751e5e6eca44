"""The kinds of jobs that services know, and what each does."""

from __future__ import annotations

from backend.backups.kinds import kinds as backup_kinds
from backend.backups.working import Place
from backend.config import Settings
from backend.cronjobs.running import CronRuns
from backend.database import Database
from backend.domains.kinds import DomainJobs
from backend.engines.base import Engine
from backend.jobs.runner import Kind
from backend.processes.work import Scaling
from backend.services.deployment import Deploy
from backend.services.operations import Operations
from backend.services.routing import Edge


def kinds(settings: Settings, database: Database, engine: Engine) -> dict[str, Kind]:
    edge = Edge(settings, database)
    domains = DomainJobs(settings, database, edge)
    deploy = Deploy(settings, database, engine, edge)
    operations = Operations(settings, database, engine, edge)
    scaling = Scaling(settings, database, engine, edge)
    return {
        **domains.kinds(),
        **backup_kinds(Place(settings, database, engine, edge)),
        **CronRuns(settings, database, engine).kinds(),
        "service.deploy": Kind(deploy.work, deploy.fail, deploy.cancel),
        "service.rollback": Kind(deploy.work, deploy.fail, deploy.cancel),
        "service.start": Kind(operations.start, operations.start_failed),
        "service.restart": Kind(operations.start, operations.start_failed),
        "service.stop": Kind(operations.stop, operations.stop_failed),
        "service.suspend": Kind(operations.suspend, operations.stop_failed),
        "service.scale": Kind(scaling.work, scaling.fail),
        "service.delete": Kind(operations.delete, operations.stop_failed),
    }
