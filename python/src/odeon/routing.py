"""Routers: one reference, many actors. These are the values of `spawn`'s option `router`.

    pool = system.spawn(Worker, name="pool", router=round_robin(4))
    pool.tell(Job(1))                              # one of /user/pool/r1 … r4 gets it

The reference is the pool: its actor is the parent and supervisor of the routees, watching it is
watching the pool, stop and kill end all. Messages go from the sender straight into a routee's
mailbox, without a Python step on the way. The options of `spawn` but the name are each routee's:
its supervision restarts it; one that stops for good is routed to no more. A pool whose last routee
has stopped, and which has no means to make another, stops itself.

Options are values: frozen, comparable, free of references to what was spawned with them. What makes
no sense is refused when one is made, with `InvalidArgument`. Durations are seconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from odeon import _native
from odeon.errors import InvalidArgument, NoSuchActor

if TYPE_CHECKING:
    from odeon._native import ActorRef
    from odeon.system import ActorSystem

__all__ = [
    "PoolOptions",
    "ROUTEES_MAX",
    "Resizer",
    "RouteeStats",
    "Router",
    "RouterControl",
    "RouterStats",
    "TroupeControl",
    "TroupeOptions",
    "TroupeStatus",
    "balancing",
    "broadcast",
    "consistent_hash",
    "pull",
    "random",
    "round_robin",
    "router_group",
    "scatter_gather",
    "scatter_gather_first",
    "smallest_mailbox",
    "tail_chopping",
    "troupe",
]

ROUTEES_MAX: Final = 10_000
"""Routees of one router."""

_KINDS: Final = (
    "round_robin",
    "random",
    "smallest_mailbox",
    "broadcast",
    "consistent_hash",
    "scatter_gather",
    "tail_chopping",
    "balancing",
    "troupe",
)


@dataclass(frozen=True, slots=True)
class Resizer:
    """When a pool grows and shrinks by itself: `round_robin(4, resize=Resizer(min=2, max=10))`.

    Every `every` seconds the routees are looked at; one is *pressed* when at least `pressure`
    messages wait for it (0: when it is at work). When all are pressed, the pool grows by the part
    `grow` of their number; when less than the part `shrink_below` of them is, it shrinks by the
    part `shrink`, both rounded up; a `shrink` of 0: never. The number stays between `min` and
    `max`, also across a resize by hand.
    """

    min: int = 1
    max: int = 10
    pressure: int = 1
    grow: float = 0.2
    shrink_below: float = 0.3
    shrink: float = 0.1
    every: float = 0.1

    def __post_init__(self) -> None:
        if self.min < 1:
            raise InvalidArgument("a resizer's min is at least 1")
        if self.max < self.min:
            raise InvalidArgument("a resizer's max is at least its min")
        if self.pressure < 0:
            raise InvalidArgument("a resizer's pressure is a number of messages")
        if not 0 <= self.grow <= 10:
            raise InvalidArgument("a resizer's grow is a part from 0 to 10")
        if not 0 <= self.shrink <= 1:
            raise InvalidArgument("a resizer's shrink is a part from 0 to 1")
        if not 0 <= self.shrink_below <= 1:
            raise InvalidArgument("a resizer's shrink_below is a part from 0 to 1")
        if not self.every > 0:
            raise InvalidArgument("a resizer's every is more than 0")

    def delta(self, pressed: int, size: int) -> int:
        """By how many routees to grow, or, negative, to shrink, when `pressed` of `size` are. Stays
        within the bounds whatever `size` is."""
        wanted = size
        if pressed >= size:
            wanted += ceil(size * self.grow)
        elif pressed < size * self.shrink_below:
            wanted -= ceil(size * self.shrink)
        return max(self.min, min(self.max, wanted)) - size


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Of a pool, beside its size. `replace`: a routee that stops for good gets a successor of the
    same name, at most ten a minute, further ones as that allows."""

    replace: bool = False
    resize: Resizer | None = None


@dataclass(frozen=True, slots=True)
class TroupeOptions:
    """How many workers a troupe has, and how much may wait for them.

    `max`          workers; at least 1
    `idle`         that are kept although they have nothing to do; the troupe begins with so many
    `max_pending`  jobs; past it one is refused, `MailboxFull`. 0: unbounded
    `idle_time`    seconds after which a surplus worker is dismissed
    `attempts`     deaths of a worker over one job until that is given up; at least 1
    """

    max: int = 10
    idle: int = 2
    max_pending: int = 10_000
    idle_time: float = 2.0
    attempts: int = 3

    def __post_init__(self) -> None:
        if self.max < 1:
            raise InvalidArgument("a troupe has at least one worker: max")
        if self.max > ROUTEES_MAX:
            raise InvalidArgument(f"a troupe has at most {ROUTEES_MAX:,} workers: max")
        if not 0 <= self.idle <= self.max:
            raise InvalidArgument("a troupe keeps at most max workers idle: idle")
        if self.max_pending < 0:
            raise InvalidArgument("a troupe's max_pending is a number of jobs")
        if not self.idle_time > 0:
            raise InvalidArgument("a troupe's idle_time is more than 0")
        if self.attempts < 1:
            raise InvalidArgument("a troupe tries a job at least once: attempts")


@dataclass(frozen=True, slots=True)
class Router:
    """A strategy with its settings; made by the functions below. `key` is called with each message
    that is sent without a key, in the sender; it gives text, bytes, an int or an enum."""

    kind: str
    size: int = 0
    within: float = 0.0
    interval: float = 0.0
    pool: PoolOptions = field(default_factory=PoolOptions)
    workers: TroupeOptions = field(default_factory=TroupeOptions)
    key: Callable[[Any], object] | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InvalidArgument(f"there is no routing strategy '{self.kind}'")
        if isinstance(self.size, bool) or not isinstance(self.size, int):
            raise TypeError(f"the size of a router is an int, not {type(self.size).__name__}")
        if not 0 <= self.size <= ROUTEES_MAX:
            raise InvalidArgument(f"a router has 0 to {ROUTEES_MAX:,} routees, not {self.size:,}")
        if self.kind in ("scatter_gather", "tail_chopping") and not self.within > 0:
            raise InvalidArgument(f"{self.kind} waits for a time above zero: within")
        if self.kind == "tail_chopping" and not self.interval > 0:
            raise InvalidArgument(
                "tail_chopping asks the next one after a time above zero: interval"
            )
        if self.key is not None and not callable(self.key):
            raise TypeError("the key of a router is a function of the message")

    @property
    def needs_pool(self) -> bool:
        """Whether its routees have to be its own, so that there is no group of it."""
        return self.kind in ("balancing", "troupe")


def round_robin(n: int = 0, *, replace: bool = False, resize: Resizer | None = None) -> Router:
    """Each message to the next routee in turn."""
    return Router("round_robin", n, pool=PoolOptions(replace, resize))


def random(n: int = 0, *, replace: bool = False, resize: Resizer | None = None) -> Router:
    """Each message to any routee, equally likely."""
    return Router("random", n, pool=PoolOptions(replace, resize))


def smallest_mailbox(n: int = 0, *, replace: bool = False, resize: Resizer | None = None) -> Router:
    """Each message to a routee for which the fewest wait now, one that is idle before one at
    work. O(n)."""
    return Router("smallest_mailbox", n, pool=PoolOptions(replace, resize))


def broadcast(n: int = 0, *, replace: bool = False, resize: Resizer | None = None) -> Router:
    """Each message to all; they get the same object, so do not change it. An ask gets the first
    good reply; the others are asked to stop. When all have failed, it fails with the last one's
    error."""
    return Router("broadcast", n, pool=PoolOptions(replace, resize))


def consistent_hash(
    n: int = 0,
    *,
    key: Callable[[Any], object] | None = None,
    replace: bool = False,
    resize: Resizer | None = None,
) -> Router:
    """Each message to the routee that its key belongs to (`odeon.patterns.HashRing` of the names
    r1, r2, …): the key of `tell(msg, key=…)`, else what `key(msg)` gives, else the message's own
    `routing_key()`. A message without a key is refused: a dead letter, and an ask fails with
    `InvalidArgument`. One of n routees more or less moves about 1/n of the keys; the successor of a
    routee that stopped has the same keys."""
    return Router("consistent_hash", n, pool=PoolOptions(replace, resize), key=key)


def scatter_gather(
    n: int, within: float = 1.0, *, replace: bool = False, resize: Resizer | None = None
) -> Router:
    """An ask goes to all; the first good reply within `within` seconds is the reply. When all have
    failed it fails with the last one's error, when none came in time with `AskTimeout`. A tell goes
    to all."""
    return Router("scatter_gather", n, within=within, pool=PoolOptions(replace, resize))


scatter_gather_first = scatter_gather


def tail_chopping(
    n: int,
    interval: float = 0.05,
    within: float = 1.0,
    *,
    replace: bool = False,
    resize: Resizer | None = None,
) -> Router:
    """An ask goes to one routee, then, each `interval` seconds without a good reply (at once when
    one fails), to a further one, in random order; the first good reply, from whichever, is the
    reply. All failed, or none in time: as `scatter_gather`. A tell goes to one at random."""
    return Router(
        "tail_chopping", n, within=within, interval=interval, pool=PoolOptions(replace, resize)
    )


def balancing(n: int, *, replace: bool = False, resize: Resizer | None = None) -> Router:
    """One mailbox for all: a routee takes the next message when it has nothing to do. The `mailbox`
    of the spawn options is that one mailbox; unbounded, or bounded without the overflow "block".
    Not for groups."""
    return Router("balancing", n, pool=PoolOptions(replace, resize))


pull = balancing


def troupe(
    max: int = 10,
    idle: int = 2,
    *,
    max_pending: int = 10_000,
    idle_time: float = 2.0,
    attempts: int = 3,
) -> Router:
    """Workers that come and go with the work. Every message is a job: it waits, in the order sent,
    until a worker has none, and a worker has one at a time, an asked one until it is answered. A
    worker that dies with a job in hand has it given to the next one; after `attempts` deaths the
    asker gets `ActorFailed`, a told job is a dead letter. Not for groups."""
    return Router("troupe", workers=TroupeOptions(max, idle, max_pending, idle_time, attempts))


# -- while it runs ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RouteeStats:
    """One routee, at one moment; `waiting` is counted up to 100,000."""

    ref: ActorRef[Any]
    path: str
    waiting: int
    idle: bool


@dataclass(frozen=True, slots=True)
class RouterStats:
    """A router, at one moment; the numbers since it began.

    `waiting`    in the shared mailbox of `balancing`, or a troupe's queue
    `open_asks`  to several routees, that have no reply yet
    `refused`    of those `routed`: without a key, without routees, …; `last_refusal` says why
    `removed`    routees: shrunk, or taken out of a group
    `stopped`    routees that stopped for good by themselves; `replaced` of these
    `leaving`    removed, but not yet ended: they finish what they have
    """

    strategy: str
    routees: tuple[RouteeStats, ...]
    waiting: int
    open_asks: int
    routed: int
    refused: int
    last_refusal: str
    added: int
    removed: int
    stopped: int
    replaced: int
    leaving: int


class RouterControl:
    """What is known of a router, and what can be changed while it runs; from any thread. Raises
    `WrongType` when `ref` is no router."""

    def __init__(self, ref: ActorRef[Any]) -> None:
        _native.router_routees(ref)
        self._ref = ref

    @property
    def ref(self) -> ActorRef[Any]:
        return self._ref

    def routees(self) -> list[ActorRef[Any]]:
        """Those that messages go to now. O(n)."""
        return _native.router_routees(self._ref)

    def __len__(self) -> int:
        return len(_native.router_routees(self._ref))

    def stats(self) -> RouterStats:
        """The numbers of this moment."""
        raw = dict(_native.router_stats(self._ref))
        raw["routees"] = tuple(RouteeStats(*r) for r in raw["routees"])
        return RouterStats(**raw)

    def resize(self, n: int) -> Awaitable[int]:
        """A pool of `n` routees, within the resizer's bounds when it has one; awaited, the number
        reached. New routees get messages from then on. Routees in surplus, the youngest, get none
        from then on, finish what they have, and stop: nothing is lost. `InvalidArgument` for 0,
        more than 10,000, a group, a troupe."""
        return _native.router_resize(self._ref, n)

    def add(self, member: ActorRef[Any]) -> Awaitable[int]:
        """A further member of a group; one that is there already is not added twice. Awaited, how
        many there are. `InvalidArgument` for a pool, and for a router that would lead to itself."""
        return _native.router_add(self._ref, member)

    def remove(self, member: ActorRef[Any]) -> Awaitable[int]:
        """Takes a member out; it is not stopped, and handles what it has. Awaited, how many are
        left."""
        return _native.router_remove(self._ref, member)


@dataclass(frozen=True, slots=True)
class TroupeStatus:
    """A troupe, at one moment.

    `workers`    alive; those that are being dismissed do not count
    `pending`    jobs that wait
    `failed`     given up, or answered with an error
    `requeued`   once for each death
    `refused`    the queue was full
    `dismissed`  surplus workers
    """

    workers: int
    busy: int
    pending: int
    completed: int
    failed: int
    requeued: int
    refused: int
    dismissed: int
    settings: TroupeOptions


class TroupeControl:
    """What is going on in a troupe, and its settings; from any thread. Raises `WrongType` when
    `ref` is no troupe."""

    def __init__(self, ref: ActorRef[Any]) -> None:
        _native.troupe_status(ref)
        self._ref = ref

    def status(self) -> TroupeStatus:
        """The numbers of this moment."""
        raw = dict(_native.troupe_status(self._ref))
        raw["settings"] = TroupeOptions(**raw["settings"])
        return TroupeStatus(**raw)

    def set(self, settings: TroupeOptions) -> Awaitable[None]:
        """From now on. Workers above `max` end after the job they have; below `idle` further ones
        start at once. Awaited, it ends when that was ordered."""
        return _native.troupe_set(self._ref, settings)


def router_group(
    system: ActorSystem,
    strategy: Router,
    members: Iterable[ActorRef[Any] | str],
    *,
    name: str | None = None,
) -> ActorRef[Any]:
    """A router over actors that are there already, by reference or path; its size is not looked at.

        group = router_group(system, round_robin(), [a, "/user/b"], name="readers")
        await RouterControl(group).add(c)

    A group watches its members: one that stops falls out. It does not own them: stopping the group
    leaves them alone. A group without members refuses messages. `NoSuchActor` for a path that leads
    nowhere; `InvalidArgument` for no members, and for a strategy that needs a pool; `NameTaken`.
    """
    refs = []
    for member in members:
        ref = system.lookup(member) if isinstance(member, str) else member
        if ref is None:
            raise NoSuchActor(f"there is no actor {member}")
        refs.append(ref)
    return _native.router_group(strategy, refs, name)
