"""What :class:`odeon.ActorSystem` tells about itself: events, metrics, snapshots, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from . import _logs, _native, _watchdog

# The classes of what is told are made when somebody asks: they would cost each import 20 ms.
if TYPE_CHECKING:
    from .config import Configuration
    from .diagnostics import Hop, SystemSnapshot
    from .events import DeadLetter, EventStream, LateReply
    from .system import ActorSystem


class Observed:
    """The part of ``ActorSystem`` that looks, and holds up nobody. Of any thread."""

    _stream: EventStream | None = None
    _config: Configuration | None = None

    def _whole(self) -> ActorSystem:
        return cast("ActorSystem", self)

    @property
    def events(self) -> EventStream:
        """Publish and subscribe by class; see :mod:`odeon.events`."""
        if self._stream is None:
            from .events import EventStream

            self._stream = EventStream(self._whole())
        return self._stream

    @property
    def config(self) -> Configuration:
        """What it was configured with; see :mod:`odeon.config`."""
        if self._config is None:
            from .config import resolve

            self._config = resolve(None)
        return self._config

    def dead_letters(self) -> list[DeadLetter]:
        """The last 1,024, oldest first."""
        return list(_native._dead_letters(self._whole()))

    def late_replies(self) -> list[LateReply]:
        """The last 1,024 replies that came after their askers had given up, oldest first."""
        return list(_native._late_replies(self._whole()))

    def metrics(self) -> dict[str, Any]:
        """Numbers since the start.

        ``messages`` handled, ``spawned``, ``stopped``, ``failures``, ``restarts``,
        ``dead_letters``, ``late_replies``, ``ask_timeouts``, ``call_cycles``,
        ``high_water_crossings`` and ``mailbox_overflows``; ``hosts`` has what the threads of
        Python did, by dispatcher (``gil_hold_ns_total`` and ``gil_hold_ns_max`` in nanoseconds);
        ``dispatchers`` the numbers of those that were given to the system.
        """
        numbers: dict[str, Any] = dict(_native._metrics(self._whole()))
        numbers["hosts"] = _native._host_metrics(self._whole())
        numbers["dispatchers"] = self._whole().dispatcher_metrics()
        return numbers

    def snapshot(self) -> SystemSnapshot:
        """Every live actor as a tree; costs time in the number of actors and waiting messages."""
        from .diagnostics import snapshot_of

        return snapshot_of(_native._snapshot(self._whole()))

    def recent_hops(self, trace: int = 0) -> list[Hop]:
        """The last 512 handled messages of each thread, oldest first; of one chain with
        ``trace``."""
        from .diagnostics import Hop

        return [Hop(*each) for each in _native._recent_hops(self._whole(), trace)]

    # -- for ActorSystem ---------------------------------------------------------------------------

    def _configure(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the configuration in the native layer's form; before the system
        opens."""
        from .config import resolve

        self._config = resolve(options.get("config"))
        return {**options, "config": self._config._native}

    def _option(self, options: dict[str, Any], name: str) -> float:
        """A span of time, of the call or of the configuration."""
        given = options.get(name)
        return float(self.config[f"core.{name}"] if given is None else given)

    def _observe(self, options: dict[str, Any]) -> None:
        """The system is open."""
        _logs.attach(self._whole())
        _watchdog.watch(self._whole(), self._option(options, "slow_handler"))

    def _unobserve(self) -> None:
        """It is about to close: nothing is called any more."""
        _watchdog.forget(self._whole())
        _logs.detach(self._whole())
        if self._stream is not None:
            self._stream._forget()
        if self._whole().is_open:
            _native._close_relay(self._whole())

    def _close(self) -> None:
        _native.System._close(self._whole())
        _logs.flush()
