"""Schedule: five fields of cron, and the next moment that they name.

The fields are those of crontab(5): minute, hour, day of month, month, day of week (0 and 7 are
Sunday), each `*`, a number, a name (`mon`, `jan`), a range, a list or a step. Where both days are
given, either may match.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_FURTHEST = 366 * 9
"""Days to look ahead: between 1896 and 1904 there was no 29th of February, nor will be from 2096 to 2104."""
_MINUTE = timedelta(minutes=1)


class Schedule:
    """When a job is due, by five fields, in a time zone.

    An hour that a clock set forward leaves out runs at the same distance from midnight, one that
    it repeats runs once; a schedule for every hour goes by elapsed time and feels neither.
    Raises ValueError, which names the field.
    """

    def __init__(self, text: str, timezone: str = "UTC") -> None:
        words = text.lower().split()
        if len(words) != len(_FIELDS):
            raise ValueError(f"{text!r} has {len(words)} fields: cron has five, like `0 7 * * *`.")
        self.text = text
        sets = [_values(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
        self._minutes, self._hours, self._days, self._months, weekdays = sets
        self._weekdays = {day % 7 for day in weekdays}
        # As in crontab(5): a field that begins with a star restricts nothing by itself.
        self._either = not (words[2].startswith("*") or words[4].startswith("*"))
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{timezone!r} is no time zone that is known here.") from None
        self.after(datetime(2000, 1, 1, tzinfo=UTC))

    def after(self, moment: datetime) -> datetime:
        """Return the first moment after this one, in UTC. Raises ValueError where there is none."""
        first = moment.astimezone(self._zone).date()
        for number in range(-1, _FURTHEST):  # -1: what a set clock put off belongs to the day before
            day = first + timedelta(days=number)
            if self._matches(day):
                found = self._on(day, moment)
                if found is not None:
                    return found
        raise ValueError(f"{self.text!r} names a day that never comes.")

    def _matches(self, day: date) -> bool:
        if day.month not in self._months:
            return False
        of_month, of_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return of_month or of_week if self._either else of_month and of_week

    def _on(self, day: date, moment: datetime) -> datetime | None:
        if len(self._hours) < 24:
            times = (time(hour, minute) for hour in sorted(self._hours) for minute in sorted(self._minutes))
            candidates = (self._utc(day, one) for one in times)
            return min((one for one in candidates if one > moment), default=None)
        start, end = self._utc(day, time()), self._utc(day + timedelta(days=1), time())
        tick = max(start, moment.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE)
        while tick < end:
            if tick.astimezone(self._zone).minute in self._minutes:
                return tick
            tick += _MINUTE
        return None

    def _utc(self, day: date, moment: time) -> datetime:
        return datetime.combine(day, moment, self._zone).astimezone(UTC)


def _values(word: str, field: str, least: int, most: int, names: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = (str(least), "-", str(most)) if span == "*" else span.partition("-")
        try:
            first = _number(low, least, names)
            # `5/15` is from 5 on, `5` is 5 alone.
            last = _number(high, least, names) if dash else (most if slash else first)
            every = int(step) if slash else 1
        except ValueError:
            raise ValueError(f"{part!r} is no {field} of cron.") from None
        if not (least <= first <= last <= most and every >= 1):
            raise ValueError(f"{part!r} is no {field}: it goes from {least} to {most}.")
        found.update(range(first, last + 1, every))
    return found


def _number(text: str, least: int, names: Sequence[str]) -> int:
    if text in names:
        return least + names.index(text)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)
