"""What is going on, as data: snapshots of systems and actors, and recent hops of messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["ActorSnapshot", "Hop", "SystemSnapshot"]


@dataclass(frozen=True, slots=True)
class ActorSnapshot:
    """One actor at one moment; ``mailbox_depth`` is exact while it does not run, else near.

    ``state`` is "idle", "ready" (waits for its thread), "running", "waiting" (a handler is
    suspended), "starting", "failed", "restarting", "stopping" or "terminated". ``message`` is in
    hand, or None; ``running_for`` in seconds, known after about 0.1 s; ``waiting_for`` is the path
    of the actor that its suspended handler asks, or None.
    """

    path: str
    uid: int
    type: str
    state: str
    mailbox_depth: int
    message: str | None
    running_for: float | None
    waiting_for: str | None
    stashed: int
    restarts: int
    children: tuple[ActorSnapshot, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    def walk(self) -> Iterator[ActorSnapshot]:
        """This one and all below it, top down."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class SystemSnapshot:
    """A system at one moment; ``uptime`` in seconds, ``actors`` the number of live ones."""

    name: str
    uptime: float
    actors: int
    metrics: dict[str, int]
    top: tuple[ActorSnapshot, ...] = field(default=())

    def walk(self) -> Iterator[ActorSnapshot]:
        """All actors, top down, siblings in the order spawned."""
        for actor in self.top:
            yield from actor.walk()

    def find(self, path: str) -> ActorSnapshot | None:
        """The actor of that path."""
        return next((actor for actor in self.walk() if actor.path == path), None)

    def __str__(self) -> str:
        """A line for each actor, indented, for people."""
        lines = [f"{self.name}: {self.actors} actors, up {self.uptime:.1f} s"]
        for actor in self.walk():
            depth = max(0, actor.path.count("/") - 2)
            parts = [f"{'  ' * depth}{actor.name} {actor.state}", f"{actor.mailbox_depth} waiting"]
            if actor.message is not None:
                parts.append(f"handles {actor.message}")
            if actor.waiting_for is not None:
                parts.append(f"waits for {actor.waiting_for}")
            lines.append("  " + ", ".join(parts))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Hop:
    """One handled message: ``id``, the hop that sent it (``cause``, 0: from outside), the first of
    its chain (``trace``), the receiver's uid, the message's class, and when, in seconds of a clock
    of the runtime's own, to within some turns."""

    id: int
    cause: int
    trace: int
    actor: int
    message: str
    at: float


def snapshot_of(raw: tuple[Any, ...]) -> SystemSnapshot:
    """Makes the tree of the native layer's list, which comes top down."""
    name, uptime, actors, metrics, flat = raw
    below: dict[str, list[str]] = {}
    parts: dict[str, tuple[Any, ...]] = {each[0]: each for each in flat}
    roots: list[str] = []
    for path in parts:
        parent = path.rsplit("/", 1)[0]
        if parent in parts:
            below.setdefault(parent, []).append(path)
        else:
            roots.append(path)

    made: dict[str, ActorSnapshot] = {}
    for path in reversed(parts):  # children before parents
        children = tuple(made[child] for child in below.get(path, ()))
        made[path] = replace(ActorSnapshot(*parts[path]), children=children)
    return SystemSnapshot(name, uptime, actors, metrics, tuple(made[path] for path in roots))
