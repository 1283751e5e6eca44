"""Where a project stands and what follows: the rules themselves, day by day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.billing.dunning.judging import Facts, Position, Rules, judged
from backend.billing.dunning.letters import due_for
from backend.billing.dunning.models import Stage

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = Rules()
FINE = Position(Stage.OK, START)
BROKE = Facts(funds=0, due=0, days_left=0.0, services=1)
OWING = Facts(funds=-50, due=50, days_left=0.0, services=1)
PAID = Facts(funds=1000, due=0, days_left=30.0, services=1)


def lasting(days: float) -> Facts:
    return Facts(funds=int(days * 100), due=0, days_left=days, services=1)


def story(position: Position, facts: Facts, rules: Rules, days: int) -> list[tuple[int, list[str]]]:
    """What is told on which day, looked at every hour."""
    told = []
    for hour in range(days * 24):
        following = judged(position, facts, rules, START + timedelta(hours=hour))
        if names := due_for(position, following):
            told.append((hour // 24, names))
        if following.stage is Stage.TERMINATED:
            # Nothing that costs money is left of it.
            facts = replace(facts, services=0)
        position = following
    return told


def test_who_has_money_or_spends_none_is_left_alone() -> None:
    for facts in (
        lasting(7.1),
        Facts(0, 0, None, 0),
        Facts(0, 0, None, 1),
        # A debt of one who has nothing left that could be stopped.
        Facts(-50, 50, None, 0),
    ):
        assert judged(FINE, facts, RULES, START) == FINE


@pytest.mark.parametrize(("left", "told"), [(7.0, 7), (6.0, 7), (3.0, 3), (2.9, 3), (1.0, 1), (0.2, 1)])
def test_warnings(left: float, told: int) -> None:
    warned = judged(FINE, lasting(left), RULES, START)
    assert (warned.stage, warned.warned_days) == (Stage.WARNED, told)
    assert due_for(FINE, warned) == ["money_low"]
    assert judged(warned, lasting(left), RULES, START + DAY) == warned


def test_each_warning_is_told_once_while_the_money_goes() -> None:
    position, told = FINE, []
    for hour in range(8 * 24):
        following = judged(position, lasting(8 - hour / 24), RULES, START + timedelta(hours=hour))
        if due_for(position, following):
            told.append(following.warned_days)
        position = following
    assert told == [7, 3, 1]


def test_what_moves_to_and_fro_is_told_once_and_a_payment_begins_anew() -> None:
    warned = judged(FINE, lasting(2.9), RULES, START)
    for left in (3.1, 2.9, 3.9, 2.8):
        following = judged(warned, lasting(left), RULES, START)
        assert due_for(warned, following) == []
        warned = following
    raised = judged(warned, lasting(6), RULES, START)
    assert raised.warned_days == 7
    assert due_for(warned, raised) == []
    assert due_for(raised, judged(raised, lasting(3), RULES, START)) == ["money_low"]
    assert judged(raised, lasting(20), RULES, START).stage is Stage.OK


def test_grace_suspension_notices_and_the_end() -> None:
    assert story(FINE, OWING, RULES, 40) == [
        (0, ["money_out"]),
        (3, ["services_suspended"]),
        (3 + 30 - 14, ["services_ending"]),
        (3 + 30 - 3, ["services_ending"]),
        (3 + 30, ["services_terminated"]),
    ]


def test_without_grace_it_is_one_letter() -> None:
    rules = replace(RULES, grace_days=0, terminate_days=None)
    assert story(FINE, BROKE, rules, 90) == [(0, ["services_suspended"])]
    suspended = judged(FINE, BROKE, rules, START)
    assert suspended.next_at is None
    # To run again takes more than nothing where nothing is no time at all.
    assert judged(suspended, Facts(0, 0, None, 1), rules, START).stage is Stage.SUSPENDED
    assert judged(suspended, Facts(1, 0, None, 1), rules, START).stage is Stage.OK


def test_who_is_never_to_be_suspended_is_only_told() -> None:
    rules = replace(RULES, never_suspend=True, grace_days=0)
    assert story(FINE, OWING, rules, 90) == [(0, ["money_out"])]
    # Decided while they stood still already: they run again.
    suspended = Position(Stage.SUSPENDED, START - DAY)
    assert judged(suspended, OWING, rules, START).stage is Stage.GRACE


def test_a_payment_ends_each_stage() -> None:
    grace = judged(FINE, OWING, RULES, START)
    suspended = judged(grace, OWING, RULES, START + 3 * DAY)
    for position in (grace, suspended):
        assert judged(position, PAID, RULES, START + 4 * DAY).stage is Stage.OK
    # Exactly what was due: it runs, and the next look begins with grace.
    exactly = judged(suspended, Facts(0, 0, None, 1), RULES, START + 4 * DAY)
    assert exactly.stage is Stage.OK
    assert due_for(suspended, exactly) == ["services_resumed"]
    ended = Position(Stage.TERMINATED, START)
    assert judged(ended, replace(OWING, services=0), RULES, START) == ended
    assert judged(ended, Facts(0, 0, None, 0), RULES, START).stage is Stage.OK


def test_what_came_after_the_end_gets_its_own_notice() -> None:
    """A service that began to cost money in a project that still owes: nobody was told of its deletion."""
    ended = Position(Stage.TERMINATED, START - 60 * DAY)
    again = judged(ended, OWING, RULES, START)
    assert (again.stage, again.since, again.next_at) == (Stage.SUSPENDED, START, START + 30 * DAY)
    assert story(ended, OWING, RULES, 31) == [
        (0, ["services_suspended"]),
        (30 - 14, ["services_ending"]),
        (30 - 3, ["services_ending"]),
        (30, ["services_terminated"]),
    ]
    assert judged(ended, OWING, replace(RULES, never_suspend=True), START).stage is Stage.GRACE


def test_an_outage_takes_nobodys_time() -> None:
    """Whoever was not looked at for long goes through every stage, and is told of each in time."""
    grace = judged(FINE, OWING, RULES, START)
    late = START + 60 * DAY
    suspended = judged(grace, OWING, RULES, late)
    assert (suspended.stage, suspended.next_at) == (Stage.SUSPENDED, late + 30 * DAY)
    later = late + 60 * DAY
    noticed = judged(suspended, OWING, RULES, later)
    assert (noticed.stage, noticed.noticed_days) == (Stage.SUSPENDED, 3)
    assert noticed.next_at == later + 3 * DAY
    assert judged(noticed, OWING, RULES, later + 2.9 * DAY).stage is Stage.SUSPENDED
    assert judged(noticed, OWING, RULES, later + 3 * DAY).stage is Stage.TERMINATED


facts = st.builds(
    Facts,
    funds=st.integers(-1000, 1000),
    due=st.integers(0, 100),
    days_left=st.none() | st.floats(0, 40),
    services=st.integers(0, 3),
)
rules = st.builds(
    Rules,
    warn_days=st.sets(st.integers(1, 30), max_size=4).map(tuple),
    grace_days=st.integers(0, 10),
    terminate_days=st.none() | st.integers(1, 40),
    notice_days=st.sets(st.integers(1, 30), max_size=3).map(tuple),
    never_suspend=st.booleans(),
)


@given(st.lists(st.tuples(st.integers(0, 24 * 20), facts, rules), max_size=30))
def test_whatever_happens(steps: list[tuple[int, Facts, Rules]]) -> None:
    position, at = FINE, START
    for hours, found, by in steps:
        at += timedelta(hours=hours)
        by = replace(by, notice_days=tuple(day for day in by.notice_days if day < (by.terminate_days or 0)))
        before, position = position, judged(position, found, by, at)
        left = replace(found, services=0) if position.stage is Stage.TERMINATED else found
        assert judged(position, left, by, at).stage in (position.stage, *_hasty(by)), "one step is enough"
        assert due_for(position, position) == []
        if position.stage is Stage.SUSPENDED and before.stage is not Stage.SUSPENDED:
            assert found.broke
            assert not by.never_suspend
            assert before.stage in (Stage.GRACE, Stage.TERMINATED) or by.grace_days == 0
        if position.stage is Stage.TERMINATED and before.stage is not Stage.TERMINATED:
            assert before.stage is Stage.SUSPENDED
            assert by.terminate_days is not None
            assert at - before.since >= by.terminate_days * DAY
            if by.notice_days:
                assert before.noticed_days is not None
                assert before.noticed_days <= min(by.notice_days)


def _hasty(by: Rules) -> tuple[Stage, ...]:
    """What may follow in the same moment, where the rules leave no time."""
    return (Stage.SUSPENDED,) if by.grace_days == 0 else ()
