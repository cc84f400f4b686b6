"""Schedules: the next moment that five fields name, also where a clock is set."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanchion.jobs.cron import Schedule


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 7 * * *", "2026-01-31T06:59:59.999999", "2026-01-31T07:00"),
        ("0 7 * * *", "2026-01-31T07:00", "2026-02-01T07:00"),
        ("*/15 * * * *", "2026-01-31T23:50", "2026-02-01T00:00"),
        ("5/20 * * * *", "2026-01-01T00:26", "2026-01-01T00:45"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00"),
        ("30 9-17/4 * * mon-fri", "2026-01-02T17:30", "2026-01-05T09:30"),
        ("0 0 * * 7", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("0 0 13 * fri", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("0 0 */2 * fri", "2026-01-01T00:00", "2026-01-09T00:00"),
        ("0 12 1 JAN,jul *", "2026-01-01T12:00", "2026-07-01T12:00"),
        ("0,59 0,23 31 12 *", "2026-12-31T00:00", "2026-12-31T00:59"),
    ],
)
def test_the_next_moment(schedule: str, after: str, expected: str) -> None:
    assert Schedule(schedule).after(utc(after)) == utc(expected)


def moments(schedule: str, after: str, count: int) -> list[str]:
    made, moment = Schedule(schedule, "Europe/Berlin"), utc(after)
    found = []
    for _ in range(count):
        moment = made.after(moment)
        found.append(moment.strftime("%d %H:%M"))
    return found


def test_where_a_clock_is_set_forward() -> None:
    # On 29 March 2026, 02:00 in Berlin is 03:00.
    assert moments("30 2 * * *", "2026-03-27T12:00", 3) == ["28 01:30", "29 01:30", "30 00:30"]
    assert moments("0 * * * *", "2026-03-28T23:30", 3) == ["29 00:00", "29 01:00", "29 02:00"]


def test_where_a_clock_is_set_back() -> None:
    # On 25 October 2026, 03:00 in Berlin is 02:00.
    assert moments("30 2 * * *", "2026-10-23T12:00", 3) == ["24 00:30", "25 00:30", "26 01:30"]
    assert moments("*/30 * * * *", "2026-10-24T23:45", 4) == ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2060, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["* * * * *", "7 3,4 * * *", "0 */6 1-7 * *", "1 1 * 2,8 sun", "*/7 0-2 * * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_moments_ascend_and_are_whole_minutes(start: datetime, text: str, zone: str) -> None:
    schedule = Schedule(text, zone)
    found = [start]
    for _ in range(5):
        found.append(schedule.after(found[-1]))
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all((one.second, one.microsecond) == (0, 0) for one in found[1:])
    # Asked from in between, the answer is the same.
    between = found[1] + (found[2] - found[1]) / 2 if found[2] - found[1] > timedelta(seconds=2) else found[1]
    assert schedule.after(between) == found[2]


@pytest.mark.parametrize(
    ("schedule", "zone", "said"),
    [
        ("0 7 * *", "UTC", "has 4 fields"),
        ("60 * * * *", "UTC", "'60' is no minute: it goes from 0 to 59"),
        ("* * 0 * *", "UTC", "'0' is no day of month"),
        ("5-1 * * * *", "UTC", "'5-1' is no minute"),
        ("*/0 * * * *", "UTC", r"'\*/0' is no minute"),
        ("* * * * moon", "UTC", "'moon' is no day of week of cron"),
        ("1,,2 * * * *", "UTC", "'' is no minute of cron"),
        ("- * * * *", "UTC", "'-' is no minute of cron"),
        ("0 0 30 2 *", "UTC", "names a day that never comes"),
        ("0 7 * * *", "Mars/Olympus", "'Mars/Olympus' is no time zone"),
        ("0 7 * * *", "../etc", "is no time zone"),
    ],
)
def test_what_is_no_schedule(schedule: str, zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Schedule(schedule, zone)
