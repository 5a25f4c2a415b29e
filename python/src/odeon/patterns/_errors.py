"""What patterns raise, beside the exceptions of `odeon.errors`."""

from __future__ import annotations

from odeon.errors import AskTimeout, InvalidArgument, OdeonError, Refused


class CircuitOpen(Refused):
    """A call through an open circuit breaker: it was not made.

    `remaining` is in seconds: until the next trial may be made; 0 while one is under way.
    """

    def __init__(self, text: str, remaining: float = 0.0) -> None:
        super().__init__(text)
        self.remaining = remaining


class CallTimeout(AskTimeout):
    """A call took longer than the circuit breaker's `call_timeout`, and was given up."""


class RateLimited(OdeonError):
    """A place further away than the rate limiter's bound; `wait` says how far, in seconds."""

    code = "limit_exceeded"

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class CronError(InvalidArgument):
    """A cron expression or zone that cannot be read; the text has field, position and reason."""


class NotEnough(OdeonError):
    """No reply, or fewer good ones than were asked for; `replies` has what there is."""

    code = "unreachable"

    def __init__(self, text: str, replies: tuple[object, ...] = ()) -> None:
        super().__init__(text)
        self.replies = replies


def seconds(value: float) -> str:
    """A duration for a sentence: "250 ms", "1.5 s"."""
    if value >= 1 or value == 0:
        return f"{value:.6g} s"
    if value >= 1e-3:
        return f"{value * 1e3:.4g} ms"
    return f"{value * 1e6:.4g} us"
