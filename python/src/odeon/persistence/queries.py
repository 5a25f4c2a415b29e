"""What a journal holds, for ``async for``.

    async for event in queries.events_by_tag(journal, "account"):
        print(event.persistence_id, queries.value_of(event))

A query reads page by page, each when the one before has been taken. The ``live_`` ones do not end:
they hear of a commit of this process at once, and look every ``poll`` seconds for those of others.
What the journal refuses – a damaged event, a store that is down – is raised, after what is before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from .. import _native
from . import _wire
from .journal import LAST, Journal
from .records import StoredEvent

__all__ = [
    "events_by_id", "events_by_tag", "live_events_by_id", "live_events_by_tag", "persistence_ids",
    "value_of",
]


def value_of(event: StoredEvent) -> Any:
    """The event as an object; its class must be registered in :mod:`odeon.codecs`."""
    return _wire.decode(event.manifest, event.version, event.payload)


class News:
    """Tells of commits of a tag, of an id, or of any."""

    def __init__(self, journal: Journal, tag: str | None = None, id: str | None = None) -> None:
        self._watch = _native.journal_watch(journal, tag, id)

    def expect(self) -> None:
        """Before the store is read: what is committed from here on is news."""
        self._watch.reset()

    async def wait(self, poll: float) -> None:
        """Until there is news, or ``poll`` seconds."""
        waits = self._watch.wait()
        try:
            async with asyncio.timeout(poll):
                await waits
        except TimeoutError:
            pass


async def events_by_tag(
    journal: Journal, tag: str, *, after: int = 0, page: int = 500
) -> AsyncIterator[StoredEvent]:
    """The events with that tag behind the position ``after``, by their positions."""
    while found := await journal.by_tag(tag, after, page):
        for event in found:
            after = event.position
            yield event


async def live_events_by_tag(
    journal: Journal, tag: str, *, after: int = 0, page: int = 500, poll: float = 1.0
) -> AsyncIterator[StoredEvent]:
    """The same, and those that are committed from then on."""
    news = News(journal, tag=tag)
    while True:
        news.expect()
        found = await journal.by_tag(tag, after, page)
        for event in found:
            after = event.position
            yield event
        if not found:
            await news.wait(poll)


async def events_by_id(
    journal: Journal, persistence_id: str, *, first: int = 1, last: int = LAST, page: int = 500
) -> AsyncIterator[StoredEvent]:
    """The events of one id, by their sequence numbers."""
    while first <= last and (found := await journal.read_events(persistence_id, first, last, page)):
        for event in found:
            first = event.sequence + 1
            yield event


async def live_events_by_id(
    journal: Journal, persistence_id: str, *, first: int = 1, last: int = LAST, page: int = 500,
    poll: float = 1.0,
) -> AsyncIterator[StoredEvent]:
    """The same, and those to come; ends with the event numbered ``last``."""
    news = News(journal, id=persistence_id)
    while first <= last:
        news.expect()
        found = await journal.read_events(persistence_id, first, last, page)
        for event in found:
            first = event.sequence + 1
            yield event
        if not found:
            await news.wait(poll)


async def persistence_ids(
    journal: Journal, *, after: str = "", page: int = 1000
) -> AsyncIterator[str]:
    """The ids greater than ``after``, in the order of their bytes."""
    while found := await journal.persistence_ids(after, page):
        for after in found:
            yield after
