"""What patterns tell the event stream."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("odeon.patterns")


def publish(system: Any, event: object) -> None:
    """To those who listen; nothing where the system has ended."""
    events = getattr(system, "events", None)
    if events is not None:
        events().publish(event)
