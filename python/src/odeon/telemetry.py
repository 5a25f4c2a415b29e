"""What a system does, for people and for monitoring.

:func:`prometheus` is a scrape of all open systems, or of the given ones. The rest stands on the
system itself: ``metrics()``, ``snapshot()``, ``dead_letters()``, ``late_replies()``,
``recent_hops()`` and ``events``; their classes are here as well.

Example::

    print(telemetry.prometheus(system))
    # odeon_messages_total{system="app"} 1024
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _logs
from .diagnostics import ActorSnapshot, Hop, SystemSnapshot
from .events import BlockingCall, DeadLetter, LateReply, SlowHandler

if TYPE_CHECKING:
    from .system import ActorSystem

__all__ = [
    "CONTENT_TYPE",
    "ActorSnapshot",
    "BlockingCall",
    "DeadLetter",
    "Hop",
    "LateReply",
    "SlowHandler",
    "SystemSnapshot",
    "prometheus",
    "refresh_log_level",
]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# name of the metric, its key in `metrics()`, and what it says
_COUNTERS = (
    ("messages", "messages", "Messages handled."),
    ("actors_spawned", "spawned", "Actors spawned."),
    ("actors_stopped", "stopped", "Actors that have ended."),
    ("failures", "failures", "Handlers and hooks that raised."),
    ("restarts", "restarts", "Actors restarted."),
    ("dead_letters", "dead_letters", "Messages that no handler got."),
    ("late_replies", "late_replies", "Replies whose askers had given up."),
    ("ask_timeouts", "ask_timeouts", "Asks without a reply in time."),
    ("call_cycles", "call_cycles", "Asks that would have waited for each other."),
    ("mailbox_high_water_crossings", "high_water_crossings", "Mailboxes that passed their mark."),
    ("mailbox_overflows", "mailbox_overflows", "Messages that came to a full mailbox."),
)
_HOST_COUNTERS = (
    ("host_drains", "drains", 1.0, "Times that a thread of Python took what was ready."),
    ("host_turns", "turns", 1.0, "Turns of actors."),
    ("host_messages", "messages", 1.0, "Messages handled by actors of Python."),
    ("host_suspensions", "suspensions", 1.0, "Coroutine handlers that were suspended."),
    ("host_wakeups", "wakeups", 1.0, "Times that another thread woke it."),
    ("host_hold_seconds", "gil_hold_ns_total", 1e-9, "Time in drains."),
)


def refresh_log_level() -> None:
    """Has the runtime's log follow the level of the logger "odeon", after that was changed. Done by
    itself whenever a system begins."""
    _logs.refresh_level()


def _labels(**labels: str) -> str:
    def escaped(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _family(name: str, kind: str, text: str, samples: list[tuple[str, float]]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{{{labels}}} {_number(value)}"


def prometheus(*systems: ActorSystem) -> str:
    """Metrics in Prometheus's text format, of these systems or of all that are open; of any thread.

    ``odeon_messages_total`` and further counters, ``odeon_actors`` and ``odeon_uptime_seconds``,
    with the label ``system``; ``odeon_host_…`` with ``dispatcher`` as well. Serve it as
    :data:`CONTENT_TYPE`. It costs a walk over the actors.
    """
    from .system import _open_systems

    told = list(systems) or sorted(_open_systems, key=lambda system: system.name)
    read: list[tuple[str, dict[str, Any], SystemSnapshot]] = [
        (system.name, system.metrics(), system.snapshot()) for system in told]
    lines: list[str] = []
    lines += _family("odeon_actors", "gauge", "Live actors.",
                     [(_labels(system=name), now.actors) for name, _, now in read])
    lines += _family("odeon_uptime_seconds", "gauge", "Since the system began.",
                     [(_labels(system=name), now.uptime) for name, _, now in read])
    lines += _family("odeon_mailbox_waiting", "gauge", "Messages that wait in mailboxes.",
                     [(_labels(system=name), sum(actor.mailbox_depth for actor in now.walk()))
                      for name, _, now in read])
    for metric, key, text in _COUNTERS:
        lines += _family(f"odeon_{metric}_total", "counter", text,
                         [(_labels(system=name), numbers[key]) for name, numbers, _ in read])
    for metric, key, unit, text in _HOST_COUNTERS:
        lines += _family(f"odeon_{metric}_total", "counter", text,
                         [(_labels(system=name, dispatcher=host), each[key] * unit)
                          for name, numbers, _ in read
                          for host, each in numbers["hosts"].items()])
    return "\n".join(lines) + "\n"
