"""Reads cron expressions and finds zones; see `odeon.patterns.cron`."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from odeon.patterns._errors import CronError

CRON_TEXT_MAX = 1024  # characters of an expression

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY, _WEEKDAY = 3, 5
# Name, lowest and highest value, names of the values from the lowest on. 7 is Sunday as well, once
# ranges are whole.
_RULES: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()), ("minute", 0, 59, ()), ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()), ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS))
_MACROS = {"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
           "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
           "@hourly": "0 * * * *"}
_DIGITS = frozenset("0123456789")
_BLANK = " \t"
_NUMBER_MAX = 100_000


@dataclass(slots=True)
class Fields:
    """What an expression says; each mask has a bit for each value."""

    seconds: int = 0
    minutes: int = 0
    hours: int = 0
    days: int = 0  # bit d: day d
    from_end: int = 0  # bit n: n days before the last
    months: int = 0
    weekdays: int = 0  # bit w: 0 is Sunday
    last_of: int = 0  # bit w: the last such weekday of the month
    nth: list[int] = field(default_factory=lambda: [0] * 7)  # of each weekday, bit n: the n-th
    either_day: bool = False  # a day of either field


class _Parser:
    """Reads an expression from left to right; `_at` is the next character."""

    def __init__(self, text: str) -> None:
        # By bytes of ASCII only: a lower-case form that is longer would move the positions.
        self._text = "".join(c.lower() if c.isascii() else c for c in text)
        self._at = 0
        self._starred = [False] * 6
        self._out = Fields()

    def read(self) -> Fields:
        self._skip_blanks()
        if self._at < len(self._text) and self._text[self._at] == "@":
            return self._read_macro()
        words = self._text.replace("\t", " ").split(" ")
        count = sum(1 for word in words if word)
        if count not in (5, 6):
            raise CronError(f'cron "{self._text}": has {count} fields; there must be 5, or 6 with '
                            "seconds first")
        if count == 5:
            self._out.seconds = 1
        for f in range(6 - count, 6):
            self._skip_blanks()
            self._read_field(f)
        self._out.either_day = not self._starred[_DAY] and not self._starred[_WEEKDAY]
        return self._out

    # -- characters --------------------------------------------------------------------------------

    def _skip_blanks(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in _BLANK:
            self._at += 1

    def _here(self) -> str:
        """The next character of the field; "" at its end."""
        c = self._text[self._at:self._at + 1]
        return "" if c and c in _BLANK else c

    def _take(self, c: str) -> bool:
        if self._here() != c:
            return False
        self._at += 1
        return True

    def _refuse(self, f: int, where: int, why: str) -> CronError:
        return CronError(f'cron "{self._text}": {_RULES[f][0]}, position {where + 1}: {why}')

    def _number(self) -> int | None:
        """Digits, up to a bound that is past every rule; None: there are none."""
        begin = self._at
        value = 0
        while self._here() in _DIGITS:
            value = min(value * 10 + int(self._here()), _NUMBER_MAX)
            self._at += 1
        return None if self._at == begin else value

    # -- parts -------------------------------------------------------------------------------------

    def _read_macro(self) -> Fields:
        name = self._text[self._at:].rstrip(_BLANK)
        meaning = _MACROS.get(name)
        if meaning is None:
            raise CronError(f'cron "{self._text}": position {self._at + 1}: there are @yearly, '
                            f'@monthly, @weekly, @daily and @hourly, but no "{name}"')
        return _Parser(meaning).read()

    def _read_field(self, f: int) -> None:
        self._starred[f] = self._here() in ("*", "?")
        self._read_item(f)
        while self._take(","):
            self._read_item(f)
        if self._here():
            raise self._refuse(f, self._at, f"'{self._here()}' does not belong here")

    def _read_value(self, f: int) -> int:
        """A number or a name."""
        _, low, high, names = _RULES[f]
        begin = self._at
        if not self._here():
            raise self._refuse(f, begin, "a value is missing")
        value = self._number()
        if value is not None:
            if not low <= value <= high:
                raise self._refuse(f, begin, f"{self._text[begin:self._at]} is not in {low} to "
                                             f"{high}")
            return value
        name = self._text[begin:begin + 3]
        if name in names:
            self._at += 3
            return low + names.index(name)
        raise self._refuse(f, begin, f"'{self._here()}' is no value of this field")

    def _read_item(self, f: int) -> None:
        begin = self._at
        if f == _DAY and self._take("l"):
            self._read_from_end()
            return
        if f == _WEEKDAY and self._here() == "l":
            raise self._refuse(f, begin, "the last of which weekday? Such as friL")
        star = self._take("*") or (f in (_DAY, _WEEKDAY) and self._take("?"))
        first = _RULES[f][1]
        last = 6 if f == _WEEKDAY else _RULES[f][2]
        is_range = star
        if not star:
            first = self._read_value(f)
            if f == _WEEKDAY and self._take("l"):
                self._out.last_of |= 1 << first % 7
                return
            if f == _WEEKDAY and self._take("#"):
                self._read_nth(first % 7)
                return
            if self._take("-"):
                is_range = True
                where = self._at
                end = self._read_value(f)
                last = 7 if f == _WEEKDAY and end == 0 and first > 0 else end  # sat-sun
                if last < first:
                    raise self._refuse(f, where, f"the range {self._text[begin:self._at]} runs "
                                                 "backwards: write two")
        step = 1
        if self._take("/"):
            step = self._read_step(f)
        elif not is_range:
            last = first
        for value in range(first, last + 1, step):
            self._add(f, value)

    def _read_step(self, f: int) -> int:
        where = self._at
        step = self._number()
        if step is None:
            raise self._refuse(f, where, "a step is missing")
        if not 1 <= step <= _RULES[f][2]:
            raise self._refuse(f, where, f"a step of {self._text[where:self._at]} is not in 1 to "
                                         f"{_RULES[f][2]}")
        return step

    def _read_from_end(self) -> None:
        """Behind `L`."""
        before: int | None = 0
        if self._take("-"):
            where = self._at
            before = self._number()
            if before is None or before > 30:
                raise self._refuse(_DAY, where,
                                   "the number of days before the last is 0 to 30")
        assert before is not None
        self._out.from_end |= 1 << before

    def _read_nth(self, weekday: int) -> None:
        """Behind `#`."""
        if self._here() not in tuple("12345"):
            raise self._refuse(_WEEKDAY, self._at,
                               "behind # stands which one of the month: 1 to 5")
        self._out.nth[weekday] |= 1 << int(self._here())
        self._at += 1

    def _add(self, f: int, value: int) -> None:
        name = ("seconds", "minutes", "hours", "days", "months", "weekdays")[f]
        bit = value % 7 if f == _WEEKDAY else value
        setattr(self._out, name, getattr(self._out, name) | 1 << bit)


def read(expression: str) -> Fields:
    """Raises `CronError`."""
    if len(expression) > CRON_TEXT_MAX:
        raise CronError(f"a cron expression of {len(expression)} bytes is longer than the bound, "
                        f"{CRON_TEXT_MAX}")
    return _Parser(expression).read()


def _distance(a: str, b: str) -> int:
    """Levenshtein's, by rows."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def find_zone(name: str) -> ZoneInfo:
    """The zone of the system's time zone files, or of the package `tzdata`; `CronError` with the
    nearest name there is."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    wanted = name[:64].lower()
    text = f'cron: there is no time zone "{name[:64]}"'
    near, least = "", len(wanted) // 2 + 1
    for zone in sorted(available_timezones()):
        whole = zone.lower()
        d = min(_distance(wanted, whole), _distance(wanted, whole.rpartition("/")[2]))
        if d < least:
            least, near = d, zone
    raise CronError(text + (f'; the nearest is "{near}"' if near else ""))
