"""Where backups lie, and how long."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings


class BackupSettings(BaseSettings):
    backup_dir: Path | None = None
    backup_s3_endpoint: str = ""
    backup_s3_region: str = "us-east-1"
    backup_s3_bucket: str = ""
    backup_s3_access_key: str = ""
    backup_s3_secret_key: SecretStr | None = None
    backup_recipient: str = ""
    backups_per_service: int = Field(default=200, ge=1)
    backup_min_interval_seconds: int = Field(default=3600, ge=60)
    backup_kept_after_deletion_days: int = Field(default=30, ge=0)
    backup_tick_seconds: float = Field(default=15, ge=0.2)

    @field_validator("backup_dir", "backup_s3_secret_key", mode="before")
    @classmethod
    def _empty_backup_setting_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _one_target(self) -> BackupSettings:
        s3 = (self.backup_s3_bucket, self.backup_s3_access_key, self.backup_s3_secret_key)
        if any(s3) and not all(s3):
            raise ValueError(
                "BACKUP_S3_BUCKET, BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY belong together"
            )
        if self.backup_dir and self.backup_s3_bucket:
            raise ValueError("set BACKUP_DIR or BACKUP_S3_BUCKET, not both")
        return self
