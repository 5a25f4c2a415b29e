"""Times that come again, as people write them.

    c = Cron("*/5 9-17 * * mon-fri", "Europe/Berlin")
    t = c.next_after(datetime.now(timezone.utc))

Five fields: minute (0–59), hour (0–23), day of the month (1–31), month (1–12 or jan–dec), day of
the week (0–7 or sun–sat; 0 and 7 are Sunday). With six, the first one is the second (0–59); with
five the second is 0. Upper and lower case are the same.

A field is a list, separated by commas, of `*`, `a`, `a-b`, each with a step behind it where wanted:
`*/15`, `10-40/10`, `7/20` (from 7 to the end). In the day fields `?` is `*`. Further: `L` the
month's last day, `L-3` three days before it, `friL` or `5L` the last Friday, `mon#2` or `1#2` the
second Monday. In place of all fields: `@yearly` (`@annually`), `@monthly`, `@weekly`, `@daily`
(`@midnight`), `@hourly`.

**Both day fields.** As POSIX has it, and the cron of Vixie after it: where neither day field begins
with `*` or `?`, a day that either of them names is one; otherwise a day must be in both.

**Daylight saving.** Fields are of the zone's local time. A local time that does not exist, because
the clock jumped over it, comes at the moment of the jump; several such are one. A local time that
exists twice comes once, the first time.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from odeon.errors import InvalidArgument
from odeon.patterns import _cron_parse
from odeon.patterns._cron_parse import CRON_TEXT_MAX

__all__ = ["CRON_TEXT_MAX", "Cron"]

_DAY = 86_400
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_INSTANT = 9_223_372_036  # seconds: where the runtime's wall clock ends, in 2262
_LAST_YEAR = 2262


def _offset(zone: ZoneInfo, instant: int) -> int:
    """Seconds that the zone's clock is ahead of UTC at an instant."""
    at = (_EPOCH_UTC + timedelta(seconds=instant)).astimezone(zone)
    shift = at.utcoffset()
    assert shift is not None
    return int(shift.total_seconds())


def _offsets(zone: ZoneInfo, local: int) -> tuple[int, int]:
    """Of a local time: before and after a change that it may be at. Equal: it exists once; the
    first one larger: twice; the second one larger: not at all."""
    shown = _EPOCH + timedelta(seconds=local)
    first = zone.utcoffset(shown.replace(fold=0))
    second = zone.utcoffset(shown.replace(fold=1))
    assert first is not None and second is not None
    return int(first.total_seconds()), int(second.total_seconds())


def _change_between(zone: ZoneInfo, before: int, after: int) -> int:
    """The instant in (before, after] at which the offset that held at `before` ends."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _local_from(zone: ZoneInfo, instant: int) -> int:
    """What the zone's clock shows next, or where a repeated local time ends: all before that has
    come already when the clock shows it for the second time."""
    now = _offset(zone, instant)
    local = instant + now
    first, second = _offsets(zone, local)
    if first > second and now == second:
        return _change_between(zone, local - first, instant) + first
    return local + 1


def _instant_of(zone: ZoneInfo, local: int) -> int:
    """When the zone's clock shows `local` first, or jumps over it."""
    first, second = _offsets(zone, local)
    if first < second:
        return _change_between(zone, local - second, local - first)
    return local - first


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _next(mask: int, at: int) -> int:
    """The lowest bit at `at` or above; -1: there is none."""
    return _lowest(mask >> at << at)


class Cron:
    """A parsed expression and its zone. A value, hashable; equal when both texts are.

    Raises `CronError` with field, position (characters from 1) and reason; for a zone that is not
    there, with the nearest one that is; and for a text past `CRON_TEXT_MAX`.
    """

    __slots__ = ("_expression", "_zone_name", "_zone", "_fields")

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        self._expression = expression
        self._zone_name = zone
        self._fields = _cron_parse.read(expression)
        self._zone = _cron_parse.find_zone(zone)

    @property
    def expression(self) -> str:
        """As it was given."""
        return self._expression

    @property
    def zone(self) -> str:
        return self._zone_name

    def next_after(self, t: datetime) -> datetime | None:
        """The first time after `t`, in UTC; None when there is none before 2262 ends in April, such
        as for 30 February. `t` is aware: `InvalidArgument` otherwise. Some ten microseconds; some
        milliseconds for an expression that never comes."""
        if t.tzinfo is None:
            raise InvalidArgument("cron wants a time with its zone, such as "
                                  "datetime.now(timezone.utc)")
        since = t.astimezone(timezone.utc) - _EPOCH_UTC
        after = since.days * _DAY + since.seconds
        if after >= _LAST_INSTANT:
            return None
        # The instants of growing local times grow or stay, so the first one behind `after` is the
        # next. A local time is passed over only when it lies in a jump that is `after` itself.
        local = _local_from(self._zone, after)
        while True:
            found = self._local_at_or_after(local)
            if found is None:
                return None
            instant = _instant_of(self._zone, found)
            if instant > _LAST_INSTANT:
                return None
            if instant > after:
                return _EPOCH_UTC + timedelta(seconds=instant)
            local = found + 1

    def times(self, after: datetime) -> Iterator[datetime]:
        """All times after `after`, in UTC."""
        t = self.next_after(after)
        while t is not None:
            yield t
            t = self.next_after(t)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cron):
            return NotImplemented
        return (self._expression, self._zone_name) == (other._expression, other._zone_name)

    def __hash__(self) -> int:
        return hash((self._expression, self._zone_name))

    def __repr__(self) -> str:
        return f"Cron({self._expression!r}, {self._zone_name!r})"

    def __reduce__(self) -> tuple[type[Cron], tuple[str, str]]:
        return Cron, (self._expression, self._zone_name)

    # -- inside: masks have a bit for each value ---------------------------------------------------

    def _days_of(self, year: int, month: int) -> int:
        """Bit d: day d of that month is one."""
        f = self._fields
        first, length = calendar.monthrange(year, month)
        first = (first + 1) % 7  # 0 is Sunday
        by_date = f.days
        for before in range(length):
            if f.from_end >> before & 1:
                by_date |= 1 << (length - before)
        by_weekday = 0
        for day in range(1, length + 1):
            w = (first + day - 1) % 7
            if (f.weekdays >> w & 1 or (f.last_of >> w & 1 and day + 7 > length)
                    or f.nth[w] >> ((day + 6) // 7) & 1):
                by_weekday |= 1 << day
        both = by_date | by_weekday if f.either_day else by_date & by_weekday
        return both & ((1 << (length + 1)) - 2)

    def _time_at_or_after(self, start: int) -> int | None:
        """The first matching time of the day, in seconds, at `start` or later."""
        f = self._fields
        h0, m0, s0 = start // 3600, start // 60 % 60, start % 60
        h = _next(f.hours, h0)
        if h == h0:
            if _next(f.minutes, m0) == m0:
                s = _next(f.seconds, s0)
                if s >= 0:
                    return h * 3600 + m0 * 60 + s
            m = _next(f.minutes, m0 + 1)
            if m >= 0:
                return h * 3600 + m * 60 + _lowest(f.seconds)
            h = _next(f.hours, h0 + 1)
        if h < 0:
            return None
        return h * 3600 + _lowest(f.minutes) * 60 + _lowest(f.seconds)

    def _local_at_or_after(self, start: int) -> int | None:
        """The first matching local time, in seconds since 1970, at `start` or later."""
        day_number, time = divmod(start, _DAY)
        today = (_EPOCH + timedelta(days=day_number)).date()
        for year in range(today.year, _LAST_YEAR + 1):
            for month in range(today.month if year == today.year else 1, 13):
                if not self._fields.months >> month & 1:
                    continue
                days = self._days_of(year, month)
                here = (year, month) == (today.year, today.month)
                if here:
                    days = days >> today.day << today.day
                while days:
                    day = _lowest(days)
                    days &= days - 1
                    at = self._time_at_or_after(time if here and day == today.day else 0)
                    if at is not None:
                        return (datetime(year, month, day) - _EPOCH).days * _DAY + at
        return None
