"""Services held to what their customers asked for."""

from __future__ import annotations

from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.services.reconcile import reconcile
from backend.services.sweep import examine, sweep
from backend.volumes import tending


@app.task(base=AsyncTask, bind=True, name="services.reconcile")
def reconcile_services(self: AsyncTask) -> None:
    self.await_(reconcile(get_settings(), child().database, child().engine))


@app.task(base=AsyncTask, bind=True, name="services.examine_engine")
def examine_engine(self: AsyncTask) -> None:
    self.await_(examine(child().engine))


@app.task(base=AsyncTask, bind=True, name="services.sweep")
def sweep_services(self: AsyncTask) -> None:
    self.await_(sweep(get_settings(), child().database, child().engine))


@app.task(base=AsyncTask, bind=True, name="volumes.tend")
def tend_volumes(self: AsyncTask) -> None:
    self.await_(tending.tend(child().database, child().engine))


@app.task(base=AsyncTask, bind=True, name="volumes.measure")
def measure_volumes(self: AsyncTask) -> None:
    self.await_(tending.measure(get_settings(), child().database, child().engine))
