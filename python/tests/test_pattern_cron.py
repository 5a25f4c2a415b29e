"""Cron expressions: the same table as the C++ tests, and a walk over all minutes."""

from __future__ import annotations

import pickle
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from odeon.errors import InvalidArgument, OdeonError
from odeon.patterns import Cron, CronError

UTC = timezone.utc


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(t: datetime | None) -> str:
    return "never" if t is None else t.strftime("%Y-%m-%dT%H:%M:%S")


def times(text: str, zone: str, start: str, n: int) -> list[str]:
    """The times after `start`, in UTC."""
    out = []
    t: datetime | None = utc(start)
    cron = Cron(text, zone)
    while n > 0 and t is not None:
        t = cron.next_after(t)
        if t is not None:
            out.append(shown(t))
        n -= 1
    return out


def why(text: str, zone: str = "UTC") -> str:
    with pytest.raises(CronError) as e:
        Cron(text, zone)
    return str(e.value)


FIELDS = [
    ("*/5 9-17 * * mon-fri", "2026-01-02T17:54",
     ["2026-01-02T17:55:00", "2026-01-05T09:00:00", "2026-01-05T09:05:00"]),
    ("7/20 0 1 JAN,jul *", "2026-01-01T00:30",
     ["2026-01-01T00:47:00", "2026-07-01T00:07:00", "2026-07-01T00:27:00"]),
    ("10-40/10,59 23 31 * ?", "2026-01-31T23:40", ["2026-01-31T23:59:00", "2026-03-31T23:10:00"]),
    ("15,45 30 12 * * *", "2026-01-01T12:30:15", ["2026-01-01T12:30:45", "2026-01-02T12:30:15"]),
    ("0 0 * * 7", "2026-01-01T00:00", ["2026-01-04T00:00:00"]),
    ("0 0 * * sat-sun", "2026-01-01T00:00",
     ["2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-10T00:00:00"]),
    ("0 0 * * 5-7", "2026-01-01T00:00",
     ["2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00"]),
    (" @daily ", "2026-01-01T00:00", ["2026-01-02T00:00:00"]),
    ("@hourly", "2026-01-01T00:00", ["2026-01-01T01:00:00"]),
    ("@weekly", "2026-01-01T00:00", ["2026-01-04T00:00:00"]),
    ("@monthly", "2026-01-01T00:00", ["2026-02-01T00:00:00"]),
    ("@yearly", "2026-01-01T00:00", ["2027-01-01T00:00:00"]),
    ("0 0 L * *", "2028-01-30T00:00",
     ["2028-01-31T00:00:00", "2028-02-29T00:00:00", "2028-03-31T00:00:00"]),
    ("0 0 L-3 2 *", "2026-01-01T00:00", ["2026-02-25T00:00:00"]),
    ("0 0 * * friL", "2026-01-01T00:00", ["2026-01-30T00:00:00", "2026-02-27T00:00:00"]),
    ("0 0 * * mon#2", "2026-01-01T00:00", ["2026-01-12T00:00:00", "2026-02-09T00:00:00"]),
    ("0 0 * * 5#5", "2026-02-01T00:00", ["2026-05-29T00:00:00"]),
    ("0 0 13 * fri", "2026-01-01T00:00",
     ["2026-01-02T00:00:00", "2026-01-09T00:00:00", "2026-01-13T00:00:00"]),
    ("0 0 */2 * fri", "2026-01-01T00:00", ["2026-01-09T00:00:00", "2026-01-23T00:00:00"]),
    ("0 0 29 2 */7", "2026-01-01T00:00", ["2032-02-29T00:00:00"]),
]


@pytest.mark.parametrize(("text", "start", "expected"), FIELDS)
def test_an_expression_names_these_times(text: str, start: str, expected: list[str]) -> None:
    assert times(text, "UTC", start, len(expected)) == expected


ZONED = [
    # 2026-03-29, 02:00 becomes 03:00, at 01:00 UTC.
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00",
     ["2026-03-28T01:30:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00"]),
    ("*/20 2 * * *", "Europe/Berlin", "2026-03-28T01:30",
     ["2026-03-28T01:40:00", "2026-03-29T01:00:00", "2026-03-30T00:00:00"]),
    ("0,30 * * * *", "Europe/Berlin", "2026-03-29T00:30",
     ["2026-03-29T01:00:00", "2026-03-29T01:30:00"]),
    ("15 2 * * *", "America/New_York", "2026-03-08T00:00",
     ["2026-03-08T07:00:00", "2026-03-09T06:15:00"]),
    # 2026-10-04, 02:00 becomes 02:30, at 15:30 UTC of the day before.
    ("0,15,45 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00",
     ["2026-10-03T15:30:00", "2026-10-03T15:45:00", "2026-10-04T15:00:00"]),
    # There was no 30 December 2011.
    ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00",
     ["2011-12-29T22:00:00", "2011-12-30T10:00:00", "2011-12-30T22:00:00"]),
    # 2026-10-25, 03:00 becomes 02:00, at 01:00 UTC: the repeated hour counts once.
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00",
     ["2026-10-25T00:30:00", "2026-10-26T01:30:00"]),
    ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00",
     ["2026-10-25T00:30:00", "2026-10-25T02:00:00"]),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["2026-10-26T01:30:00"]),
    ("30 1 * * *", "America/New_York", "2026-11-01T00:00",
     ["2026-11-01T05:30:00", "2026-11-02T06:30:00"]),
    ("0,45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00",
     ["2026-04-04T14:00:00", "2026-04-04T14:45:00", "2026-04-05T14:30:00"]),
]


@pytest.mark.parametrize(("text", "zone", "start", "expected"), ZONED)
def test_a_skipped_time_comes_at_the_jump_and_a_repeated_one_once(
        text: str, zone: str, start: str, expected: list[str]) -> None:
    assert times(text, zone, start, len(expected)) == expected


def test_a_time_that_never_comes_is_none_after_a_bounded_search() -> None:
    assert Cron("0 0 30 2 *").next_after(utc("2026-01-01T00:00")) is None
    assert Cron("0 0 31 4,6,9,11 *").next_after(utc("1700-01-01T00:00")) is None
    assert Cron("* * * * *").next_after(utc("9000-01-01T00:00")) is None
    assert Cron("0 0 1 1 *").next_after(utc("2262-01-01T00:00")) is None
    assert shown(Cron("0 0 1 1 *").next_after(utc("1677-09-22T00:00"))) == "1678-01-01T00:00:00"


def test_between_whole_seconds_the_next_one_is_the_one_above() -> None:
    cron = Cron("0 0 * * *")
    for day in ("2026-01-02", "1960-01-02"):
        t = utc(day + "T00:00")
        assert cron.next_after(t - timedelta(microseconds=1)) == t
        assert cron.next_after(t) == t + timedelta(days=1)


def test_a_time_of_any_zone_is_taken_and_one_of_none_is_refused() -> None:
    cron = Cron("0 12 * * *", "Europe/Berlin")
    berlin = datetime(2026, 7, 1, 11, 59, tzinfo=ZoneInfo("Europe/Berlin"))
    assert cron.next_after(berlin) == utc("2026-07-01T10:00")
    with pytest.raises(InvalidArgument, match="with its zone"):
        cron.next_after(datetime(2026, 7, 1))


@pytest.mark.parametrize(("text", "part"), [
    ("61 * * * *", "minute, position 1: 61 is not in 0 to 59"),
    ("* 24 * * *", 'cron "* 24 * * *": hour, position 3: 24 is not in 0 to 23'),
    ("* * 0 * *", "day of the month, position 5: 0 is not in 1 to 31"),
    ("* * * foo *", "month, position 7: 'f' is no value"),
    ("* * * * L", "the last of which weekday"), ("* * * * mon#6", "day of the week, position 13: "),
    ("* * * * mon#", "1 to 5"), ("* 22-6 * * *", "the range 22-6 runs backwards"),
    ("*/0 * * * *", "minute, position 3: a step of 0"), ("*/ * * * *", "a step is missing"),
    ("1, * * * *", "minute, position 3: a value is missing"),
    ("1;2 * * * *", "minute, position 2: ';' does not belong here"),
    ("* * L-31 * *", "0 to 30"), ("* * L- * *", "0 to 30"),
    ("? * * * *", "minute, position 1: '?'"),
    ("* * * *", "has 4 fields"), ("", "has 0 fields"), ("* * * * * * *", "has 7 fields"),
    ("99999999999999999999 * * * *", "minute"), ("*" * 2000, "2000 bytes"),
    ("@reboot", 'no "@reboot"'), ("\u0663 * * * *", "is no value of this field"),
    ("0 0 1 \u0130 *", "month, position 7"),
])
def test_a_malformed_expression_is_refused_with_field_position_and_reason(text: str,
                                                                          part: str) -> None:
    assert part in why(text)


@pytest.mark.parametrize(("zone", "part"), [
    ("Europe/Berlim", 'the nearest is "Europe/Berlin"'),
    ("new_york", 'the nearest is "America/New_York"'), ("", 'there is no time zone ""'),
    ("../../etc/passwd", "there is no time zone"), ("Europe", "there is no time zone"),
    ("/etc/passwd", "there is no time zone"), ("a\0b", "there is no time zone")])
def test_an_unknown_zone_is_refused_with_the_nearest_one(zone: str, part: str) -> None:
    assert part in why("* * * * *", zone)


def test_text_of_any_kind_is_a_cron_or_an_error() -> None:
    chance = random.Random(1)
    read = 0
    for _ in range(4000):
        text = "".join(chance.choices("0123456789 **//--,,LL##??monfrijan@daily  ",
                                      k=chance.randrange(16)))
        try:
            Cron(text).next_after(utc("1970-01-01T00:00"))
            read += 1
        except CronError as e:
            assert isinstance(e, OdeonError) and isinstance(e, ValueError)
    for text in ("* " * 5, "1 1 1 1 1 1", "\x00", "*\t*\t*\t*\t*"):
        try:
            Cron(text)
            read += 1
        except CronError:
            pass
    assert read >= 3


def test_a_cron_is_a_value() -> None:
    a = Cron("@daily", "Europe/Berlin")
    assert a == pickle.loads(pickle.dumps(a)) == Cron("@daily", "Europe/Berlin")
    assert hash(a) == hash(Cron("@daily", "Europe/Berlin"))
    assert a != Cron("@daily") and a != "@daily"
    assert repr(a) == "Cron('@daily', 'Europe/Berlin')"
    first = [shown(t) for _, t in zip(range(2), a.times(utc("2026-01-01T00:00")))]
    assert first == ["2026-01-01T23:00:00", "2026-01-02T23:00:00"]


# -- brute force -----------------------------------------------------------------------------------


def _field(chance: random.Random, low: int, high: int, star: bool) -> tuple[str, set[int]]:
    if star:
        return "*", set(range(low, high + 1))
    values = set(chance.sample(range(low, high + 1), chance.randint(1, 4)))
    return ",".join(map(str, sorted(values))), values


def test_the_next_time_is_the_first_one_that_a_walk_over_all_minutes_finds() -> None:
    """A walk over the zone's own clock, which knows nothing of the search."""
    days = ["2026-03-28T12:00", "2026-10-24T20:00", "2026-03-07T22:00", "2026-11-01T00:00",
            "2026-10-03T10:00", "2026-04-04T08:00", "2028-02-28T00:00"]
    zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    minute = timedelta(minutes=1)
    chance = random.Random(4)
    for _ in range(60):
        stars = [chance.random() < 0.5 for _ in range(4)]
        fields = [_field(chance, 0, 59, stars[0]), _field(chance, 0, 23, stars[1]),
                  _field(chance, 1, 31, stars[2]), ("*", set[int]()),
                  _field(chance, 0, 6, stars[3])]
        text = " ".join(f for f, _ in fields)
        minutes, hours, dates, _, weekdays = [values for _, values in fields]

        def holds(at: datetime) -> bool:
            by_date, by_weekday = at.day in dates, at.isoweekday() % 7 in weekdays
            either = not stars[2] and not stars[3]
            return (at.minute in minutes and at.hour in hours
                    and (by_date or by_weekday if either else by_date and by_weekday))

        zone = ZoneInfo(chance.choice(zones))
        cron = Cron(text, zone.key)
        start = utc(chance.choice(days)) + timedelta(seconds=chance.randrange(2 * 86_400))
        found = cron.next_after(start)
        t = start.replace(second=0) + minute
        end = t + timedelta(hours=36)
        shown_before = (t - minute).astimezone(zone).replace(tzinfo=None)
        while t < end:
            local = t.astimezone(zone)
            now = local.replace(tzinfo=None)
            jumped = []
            while shown_before + minute < now:  # local times that did not exist
                shown_before += minute
                jumped.append(shown_before)
            if any(map(holds, jumped)) or (local.fold == 0 and holds(now)):
                break
            shown_before = now
            t += minute
        if t < end:
            assert found == t, (text, zone.key, start)
            between = start + (t - start) * chance.random()
            assert cron.next_after(between) == t
        else:
            assert found is None or found >= end, (text, zone.key, start)
