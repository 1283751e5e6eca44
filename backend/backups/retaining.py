"""Which backups by schedule stay: the last ones, and the newest of so many days, weeks and months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.backups.models import Backup, BackupPlan, BackupState


def kept(backups: Sequence[Backup], plan: BackupPlan, zone: ZoneInfo) -> set[UUID]:
    """Of one volume's, newest first. Those by hand stay until somebody removes them; so does the newest that
    is known to be good, whatever came after it."""
    staying = {backup.id for backup in backups if backup.trigger == "manual"}
    staying |= {
        backup.id
        for backup in backups
        if backup.state == BackupState.VERIFIED
        and not any(
            other.state == BackupState.VERIFIED and other.created_at > backup.created_at for other in backups
        )
    }
    ours = [backup for backup in backups if backup.trigger == "schedule"]
    staying |= {backup.id for backup in ours[: plan.keep_last]}
    sound = [backup for backup in ours if backup.state != BackupState.UNVERIFIABLE]
    periods: tuple[tuple[int, Callable[[datetime], object]], ...] = (
        (plan.keep_daily, lambda at: at.date()),
        (plan.keep_weekly, lambda at: at.isocalendar()[:2]),
        (plan.keep_monthly, lambda at: (at.year, at.month)),
    )
    for count, period_of in periods:
        newest: dict[object, UUID] = {}
        for backup in sound:
            newest.setdefault(period_of(backup.created_at.astimezone(zone)), backup.id)
        staying |= set(list(newest.values())[:count])
    return staying
