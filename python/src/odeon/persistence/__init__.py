"""Actors whose state survives: event sourcing, durable state, durable timers, projections.

They stand on the journals of C++, in the same files and tables. docs/guide/python-persistence.md is
the guide.

Example::

    journal = Journal.sqlite("bank.db")
    async with odeon.ActorSystem("bank", journal=journal) as system:
        account = system.spawn(Account, "17")
        print(await account.ask(Deposit(100)))
"""

from __future__ import annotations

from . import queries, records
from .durable_state import DurableState, checkpoint
from .effects import (
    DurableRef,
    Effect,
    cancel,
    no_effect,
    persist,
    persist_all,
    refuse,
    reply,
    schedule,
    send,
    snapshot,
    stash,
    stop,
    unhandled,
)
from .event_sourced import EventSourced
from .journal import Journal
from .offsets import MemoryOffsets, OffsetStore, SqliteOffsets
from .projection import (
    GetProgress,
    Pause,
    Progress,
    ProjectionHalted,
    Resume,
    Rewind,
    start_projection,
)
from .receivers import activate_with, install, installed, receive
from .timers import CatchUp, DurableTimer, DurableTimers, start_timers

__all__ = [
    "CatchUp",
    "DurableRef",
    "DurableState",
    "DurableTimer",
    "DurableTimers",
    "Effect",
    "EventSourced",
    "GetProgress",
    "Journal",
    "MemoryOffsets",
    "OffsetStore",
    "Pause",
    "Progress",
    "ProjectionHalted",
    "Resume",
    "Rewind",
    "SqliteOffsets",
    "activate_with",
    "cancel",
    "checkpoint",
    "install",
    "installed",
    "no_effect",
    "persist",
    "persist_all",
    "queries",
    "receive",
    "records",
    "refuse",
    "reply",
    "schedule",
    "send",
    "snapshot",
    "start_projection",
    "start_timers",
    "stash",
    "stop",
    "unhandled",
]
