"""Tests of actors: probes, event filters, and virtual time.

Example::

    from odeon.testing import TestKit

    def test_a_player_gives_up_after_thirty_seconds():
        with TestKit() as kit:
            probe = kit.probe()
            player = kit.system.spawn(Player, probe.ref)
            kit.advance(29)
            probe.expect_no_message_blocking(0)
            kit.advance(1)
            probe.expect_message_blocking(GivenUp)

With pytest the fixtures ``virtual_time`` (such a kit), ``test_kit`` and ``actor_system`` (real
time) come with the package. Nothing of this module needs pytest.
"""

from __future__ import annotations

from .filters import EventFilter
from .kit import ExpectationError, TestKit, explore
from .probe import ANY, TestProbe
from .system import TestSystem

__all__ = [
    "ANY",
    "EventFilter",
    "ExpectationError",
    "TestKit",
    "TestProbe",
    "TestSystem",
    "explore",
]
