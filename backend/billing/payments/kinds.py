"""The kinds of jobs that payments know, and what each does."""

from __future__ import annotations

from backend.billing.payments.accepting import COLLECT, SETUP
from backend.billing.payments.collecting import Collecting
from backend.billing.payments.desk import Desk
from backend.billing.payments.refund_job import Refunding
from backend.billing.payments.refunding import KIND as REFUND
from backend.billing.payments.setting_up import SettingUp
from backend.jobs.runner import Kind


def kinds(desk: Desk) -> dict[str, Kind]:
    collecting, refunding, setting_up = Collecting(desk), Refunding(desk), SettingUp(desk)
    return {
        COLLECT: Kind(collecting.work, collecting.fail),
        REFUND: Kind(refunding.work, refunding.fail),
        SETUP: Kind(setting_up.work, setting_up.fail),
    }
