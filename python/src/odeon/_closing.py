"""What is closed by leaving a block."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Closing:
    """A base, after the one that has ``close``: leaving ``with`` closes; leaving ``async with``
    closes on another thread, because that may block."""

    __slots__ = ()

    def close(self) -> None:
        """Idempotent. May block."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)
