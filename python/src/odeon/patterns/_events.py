"""What patterns tell the event stream."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("odeon.patterns")


def publish(system: Any, event: object) -> None:
    """To those who listen; to nobody where the system has ended."""
    if system is not None and system.is_open:
        system.events.publish(event)
