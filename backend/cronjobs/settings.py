"""Settings of release commands and cron jobs."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class CronSettings(BaseSettings):
    release_timeout_seconds: float = Field(default=600, gt=0)
    cron_jobs_per_service: int = Field(default=20, ge=0)
    cron_runs_per_project: int = Field(default=2, ge=1)
    cron_min_interval_seconds: int = Field(default=60, ge=60)
    cron_timeout_max_seconds: int = Field(default=3600, ge=1)
    cron_runs_kept: int = Field(default=100, ge=1)
    cron_tick_seconds: float = Field(default=5, ge=0.2)
