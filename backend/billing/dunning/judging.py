"""Where a project stands and what follows from it: plain values in, plain values out.

One step at a time: after an outage nobody is suspended and terminated at once, and whoever is to lose data
was told so as long before as the rules promise (`docs/decisions/0029-dunning.md`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backend.billing.dunning.models import Stage

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """As they hold for one project, its override included."""

    warn_days: tuple[int, ...] = (7, 3, 1)
    grace_days: int = 3
    terminate_days: int | None = 30
    notice_days: tuple[int, ...] = (14, 3)
    never_suspend: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """`funds` is all that the project can still spend, its credit included and what it used already taken
    off; `due` what it owes beyond its credit. Both are of the currency that it pays in.
    """

    funds: int
    due: int
    days_left: float | None
    """None while nothing is being spent, and for what lasts very long."""
    services: int
    """Those that cost money and are not deleted; without any there is nothing to suspend."""

    @property
    def broke(self) -> bool:
        return self.services > 0 and (self.due > 0 or (self.days_left is not None and self.days_left <= 0))


@dataclass(frozen=True, slots=True)
class Position:
    stage: Stage
    since: datetime
    warned_days: int | None = None
    noticed_days: int | None = None
    noticed_at: datetime | None = None
    next_at: datetime | None = None


def judged(position: Position, facts: Facts, rules: Rules, at: datetime) -> Position:
    """Where the project stands now. It moves by one stage at most, unless money came in."""
    if position.stage is Stage.TERMINATED:
        # What was deleted does not come back; an order after the debt was paid is a new beginning.
        if not facts.due or (facts.services and rules.never_suspend):
            return _rated(facts, rules, at)
        # What was ordered on credit since, or free and costs money now, gets all the notice that the rules
        # promise.
        return _begun(Stage.SUSPENDED, facts, rules, at) if facts.services else position
    if position.stage is Stage.SUSPENDED:
        if _may_resume(facts, rules):
            return _rated(facts, rules, at)
        return _suspended(position, facts, rules, at)
    if not facts.broke:
        return _warned(position, facts, rules, at)
    if position.stage is not Stage.GRACE:
        if rules.grace_days == 0 and not rules.never_suspend:
            return _begun(Stage.SUSPENDED, facts, rules, at)
        return _begun(Stage.GRACE, facts, rules, at)
    over = None if rules.never_suspend else position.since + rules.grace_days * DAY
    if over is not None and over <= at:
        return _begun(Stage.SUSPENDED, facts, rules, at)
    return replace(position, next_at=over)


def _may_resume(facts: Facts, rules: Rules) -> bool:
    """Whoever pays exactly what is due runs again, though it will not last: that is what grace is for."""
    if not facts.services or rules.never_suspend:
        return True
    return facts.due == 0 and (facts.funds > 0 or rules.grace_days > 0)


def _begun(stage: Stage, facts: Facts, rules: Rules, at: datetime) -> Position:
    begun = Position(stage, at)
    if stage is Stage.SUSPENDED:
        return replace(begun, next_at=_end(begun, rules, at))
    if stage is Stage.GRACE and not rules.never_suspend:
        return replace(begun, next_at=at + rules.grace_days * DAY)
    return begun


def _rated(facts: Facts, rules: Rules, at: datetime) -> Position:
    """From the beginning, as if there had been no trouble before."""
    if facts.broke:
        return _begun(Stage.GRACE, facts, rules, at)
    return _warned(Position(Stage.OK, at), facts, rules, at)


def _warned(position: Position, facts: Facts, rules: Rules, at: datetime) -> Position:
    left = facts.days_left
    reached = [days for days in rules.warn_days if left is not None and left <= days]
    if not reached:
        return position if position.stage is Stage.OK else Position(Stage.OK, at)
    assert left is not None
    days, before = min(reached), position.warned_days
    if position.stage is not Stage.WARNED or before is None:
        return Position(Stage.WARNED, at, warned_days=days)
    # A service that is stopped and started again moves what is left to and fro: that is told once.
    if days > before and left < before + 1:
        return position
    return replace(position, warned_days=days)


def _suspended(position: Position, facts: Facts, rules: Rules, at: datetime) -> Position:
    end = _end(position, rules, at)
    if end is None:
        return replace(position, next_at=None)
    last = min(rules.notice_days, default=None)
    told = position.noticed_days
    if end <= at and (last is None or (told is not None and told <= last)):
        return Position(Stage.TERMINATED, at)
    reached = [days for days in rules.notice_days if end - at <= days * DAY and (told is None or days < told)]
    if reached:
        position = replace(position, noticed_days=min(reached), noticed_at=at)
    return replace(position, next_at=_end(position, rules, at))


def _end(position: Position, rules: Rules, at: datetime) -> datetime | None:
    """When the services are deleted: never sooner after the last notice than that one says."""
    if rules.terminate_days is None:
        return None
    end = position.since + rules.terminate_days * DAY
    last = min(rules.notice_days, default=None)
    if last is None:
        return end
    if (
        position.noticed_at is not None
        and position.noticed_days is not None
        and position.noticed_days <= last
    ):
        return max(end, position.noticed_at + position.noticed_days * DAY)
    return max(end, at + last * DAY)
