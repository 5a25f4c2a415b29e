"""How long to wait between attempts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from odeon.errors import InvalidArgument
from odeon.patterns._errors import seconds


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule for the pauses between attempts. A value; all durations are seconds.

        Schedule.fixed(1.0)                  # 1, 1, 1, …
        Schedule.exponential(0.1, 5.0)       # 0.1, 0.2, 0.4, … 5, 5, …, each ± 20 %

    The parts are checked when it is made: `InvalidArgument` for a negative pause, a longest one
    that is shorter than the first, a jitter outside 0 to 1.
    """

    min: float = 0.0
    max: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if not self.min >= 0:
            raise InvalidArgument(f"a pause of {self.min} s is negative")
        if not self.max >= self.min:
            raise InvalidArgument(f"the longest pause, {seconds(self.max)}, is shorter than the "
                                  f"first one, {seconds(self.min)}")
        if not 0 <= self.jitter <= 1:
            raise InvalidArgument(f"a jitter of {self.jitter} is not between 0 and 1")

    @classmethod
    def immediate(cls) -> Schedule:
        """No pause at all: for sources of trouble that are gone at once, and for tests."""
        return cls()

    @classmethod
    def fixed(cls, every: float, jitter: float = 0.0) -> Schedule:
        """`every` after each failure; `jitter` spreads each pause by ± that part of itself."""
        return cls(every, every, jitter)

    @classmethod
    def exponential(cls, min: float, max: float, jitter: float = 0.2) -> Schedule:
        """`min` after the first failure, then twice as long each time, up to `max`. The jitter
        keeps those who failed together from coming back together."""
        return cls(min, max, jitter)

    def delay_for(self, attempt: int, chance: random.Random | None = None) -> float:
        """The pause after the `attempt`-th failure, counted from 1; 0 for 0. With `chance` it is
        spread by the jitter, as it is to be waited."""
        if attempt < 1 or self.min == 0:
            return 0.0
        # The exponent is bounded: 2.0**1100 would overflow, and the cap was reached long before.
        pause = float(self.min if self.min == self.max
                      else min(self.max, self.min * 2.0 ** min(attempt - 1, 1000)))
        if chance is None or self.jitter == 0:
            return pause
        return pause * (1 + self.jitter * chance.uniform(-1, 1))


RetrySchedule = Schedule
