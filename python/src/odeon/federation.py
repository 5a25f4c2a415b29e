"""Systems that trust each other: who is there, what each can do, and actors that are made where
they can be.

Example::

    net = remote.Endpoint(system, listen="tcp://10.0.0.5:7400", secret=NODES)
    members = federation.Federation(system, net, seeds=["10.0.0.7:7400"], capabilities=["gpu"])
    members.offer(Renderer)                                   # others may place it here
    renderer = await members.spawn(Renderer, needs=["gpu"])   # wherever there is one

Every member holds a lease of every other: it says so each ``heartbeat``, and is gone when nothing
was heard for ``lease``. There is no leader and no agreement: two members may see different sets for
as long as a lease lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from . import _native
from ._closing import Closing
from ._native import ActorRef
from .actor import Actor, Props
from .errors import InvalidArgument, PlacementFailed
from .remote import Endpoint
from .system import ActorSystem

__all__ = [
    "Federation",
    "Member",
    "MemberEvent",
    "MemberJoined",
    "MemberLeft",
    "MemberUpdated",
    "SharedName",
    "Watch",
]

Scope = Literal["local", "tenant", "federation"]
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class SharedName:
    """An actor that others find by a name."""

    name: str
    path: str
    seen_by: Scope = "federation"


@dataclass(frozen=True, slots=True)
class Member:
    """One system. What a member says of itself; nobody speaks for another."""

    node: str
    """How it is reached: ``"10.0.0.7:7400"``."""
    system: str = ""
    incarnation: int = 1
    """Another one after a restart."""
    version: int = 1
    """Counts the changes of what follows."""
    tenant: str = ""
    capabilities: tuple[str, ...] = ()
    """``"gpu"``, ``"disk=ssd"``: equal or not, nothing else."""
    types: tuple[str, ...] = ()
    """Of actors that it makes for others."""
    names: tuple[SharedName, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A system has joined, or was there when the watch began."""

    who: Member


@dataclass(frozen=True, slots=True)
class MemberUpdated:
    """Its capabilities, types or names have changed."""

    who: Member


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """It is gone: ``why`` is "left" (it said so), "expired" (its lease) or "replaced" (another
    incarnation of the same node has joined)."""

    who: Member
    why: str


MemberEvent = MemberJoined | MemberUpdated | MemberLeft


def _member(told: tuple[Any, ...]) -> Member:
    node, system, incarnation, version, tenant, capabilities, types, names = told
    return Member(node, system, incarnation, version, tenant, tuple(capabilities), tuple(types),
                  tuple(SharedName(*n) for n in names))


def _event(told: tuple[str, tuple[Any, ...], str | None]) -> MemberEvent:
    what, who, why = told
    if what == "left":
        return MemberLeft(_member(who), why or "")
    return (MemberJoined if what == "joined" else MemberUpdated)(_member(who))


def type_name(cls: type) -> str:
    """The name that a class of actors is offered under, unless it is given another."""
    return f"{cls.__module__}.{cls.__qualname__}"


class Watch:
    """What `Federation.watch` gives; ``cancel()`` ends it, as leaving it as a ``with`` block
    does."""

    __slots__ = ("_held", "_native")

    def __init__(self, native: object, held: set[object]) -> None:
        self._native = native
        self._held = held
        held.add(native)

    def cancel(self) -> None:
        """Idempotent. A call that is under way may still come."""
        self._held.discard(self._native)
        self._native = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


class Federation(_native.Membership, Closing):
    """A system's place in a federation; one for each endpoint. It joins by its seeds, and goes on
    trying those that do not answer.

    :param seeds: nodes to join by; this one's own is skipped.
    :param capabilities: what this system can do.
    :param tenant: whose it is; names may be kept among members of one tenant.
    :param secret: all members know it, at least 16 bytes, and prove it when they join; None:
        whoever passes the endpoint's own handshake may join.
    :param tenant_secret: all members of the tenant know it, at least 16 bytes, and prove it too:
        who says that it is of this tenant and does not know it may not join. None: a tenant is
        what members say.
    :param lease: seconds; a member of which nothing was heard for so long is gone.
    :param heartbeat: seconds, below the lease.
    :param fixed: members that are known from a file, and never change; then there are no seeds,
        leases or heartbeats.
    :param limits: ``members`` (1000), ``items`` of one member (1000), ``text_bytes`` of one of
        those (512), ``joining`` at a time (1000).

    Raises ValueError for options that cannot be meant. It ends with its endpoint, with its system,
    by ``close`` and by the end of ``with`` or ``async with``; afterwards its methods raise
    `SystemStopped`. All methods may be called from any thread of the interpreter.
    """

    _system: ActorSystem
    _net: Endpoint
    _classes: dict[str, type[Actor[Any]]]
    _watches: set[object]

    def __new__(
        cls,
        system: ActorSystem,
        net: Endpoint,
        *,
        seeds: Iterable[str] = (),
        capabilities: Iterable[str] = (),
        tenant: str = "",
        secret: str | None = None,
        tenant_secret: str | None = None,
        lease: float = 30.0,
        heartbeat: float = 10.0,
        fixed: Iterable[Member] = (),
        limits: Mapping[str, int] | None = None,
    ) -> Federation:
        if net._federation is not None:
            raise InvalidArgument("the endpoint has a place in a federation already")
        known = [(m.node, m.system, m.incarnation, m.version, m.tenant, m.capabilities, m.types,
                  [(n.name, n.path, n.seen_by) for n in m.names]) for m in fixed]
        made = super().__new__(cls, system, net, list(seeds), list(capabilities), tenant,
                               secret or "", tenant_secret or "", lease, heartbeat, known,
                               dict(limits or {}))
        made._system = system
        made._net = net
        made._classes = {}
        made._watches = set()
        net._federation = made
        return made

    # -- who is there ------------------------------------------------------------------------------

    def members(self) -> list[Member]:
        """This system first, then the others by their nodes."""
        return [_member(told) for told in super()._members()]

    def watch(self, call: Callable[[MemberEvent], object]) -> Watch:
        """Tells ``call`` of all who are there, this system included, as joined; then of each change
        in its order.

        It is called where the system's actors of Python run, one event at a time, and must not
        block: ``members.watch(queue.put_nowait)``. It ends with `Watch.cancel`, or the federation.
        """
        return Watch(super()._watch(lambda told: call(_event(told))), self._watches)

    def set_capabilities(self, capabilities: Iterable[str]) -> None:
        """Replaces what this system can do; all members are told."""
        super()._set_capabilities(list(capabilities))

    # -- actors ------------------------------------------------------------------------------------

    def offer(self, cls: type[Actor[Any]], name: str | None = None) -> None:
        """Lets this and other systems make actors of ``cls`` here, under that name or the path of
        the class. Raises `NameTaken`."""
        known_as = name or type_name(cls)
        self._net.register(known_as, cls)
        self._classes[known_as] = cls
        super()._offered(known_as)

    @overload
    async def spawn(
        self, what: type[Actor[M]], *args: Any, on: Literal["here", "automatic", "there"] = ...,
        needs: Iterable[str] = ..., node: str = ..., type: str | None = ...,
        name: str | None = ..., same_tenant: bool = ..., timeout: float | None = ...,
    ) -> ActorRef[M]: ...
    @overload
    async def spawn(
        self, what: str, *args: Any, on: Literal["here", "automatic", "there"] = ...,
        needs: Iterable[str] = ..., node: str = ..., type: str | None = ...,
        name: str | None = ..., same_tenant: bool = ..., timeout: float | None = ...,
    ) -> ActorRef[Any]: ...
    async def spawn(
        self,
        what: Any,
        *args: Any,
        on: Literal["here", "automatic", "there"] = "automatic",
        needs: Iterable[str] = (),
        node: str = "",
        type: str | None = None,
        name: str | None = None,
        same_tenant: bool = False,
        timeout: float | None = None,
    ) -> ActorRef[Any]:
        """Makes an actor of a class, or of a type by its name, that is offered here or by a member.

        ``on``: "here", "automatic" (here when this system has what is needed, else a member that
        has), or "there" (at ``node``). ``type`` is its name where it was offered under another than
        the path of the class; ``name`` the actor's own. For another member ``args`` are encoded as
        messages are.

        Raises `PlacementFailed`, whose text and ``missing`` name what was missing, and else as
        `Endpoint.spawn_at`. A failure of the chosen member is not tried elsewhere: the actor may
        have been made.
        """
        known_as = type or (what if isinstance(what, str) else type_name(what))
        wanted = tuple(needs)
        try:
            where = super()._choose(on, wanted, node, same_tenant, known_as)
        except PlacementFailed as failed:
            failed.missing = self._missing(wanted, on, node, same_tenant)
            raise
        if where:
            return await self._net.spawn_at(where, known_as, *args, name=name, timeout=timeout)
        return self._system.spawn(Props(self._classes[known_as], *args), name=name)

    def _missing(
        self, needs: tuple[str, ...], on: str, node: str, same_tenant: bool
    ) -> tuple[str, ...]:
        own, *others = self.members()
        asked = [own] if on == "here" else [
            m for m in (own, *others) if on != "there" or m.node == node
            if not same_tenant or m.tenant == own.tenant]
        there = {have for m in asked for have in m.capabilities}
        return tuple(need for need in needs if need not in there)

    # -- names -------------------------------------------------------------------------------------

    def share(self, name: str, actor: ActorRef[Any], seen_by: Scope = "federation") -> None:
        """Others in that scope find the actor, which is one of this system, by the name. Raises
        `NameTaken` when it is another's here, ValueError for an actor of elsewhere."""
        super()._share(name, actor, seen_by)

    def unshare(self, name: str) -> bool:
        """Takes a name back. False: this system has not given it."""
        return super()._unshare(name)

    async def find(
        self, name: str, within: Scope = "federation", *, timeout: float | None = None
    ) -> ActorRef[Any]:
        """The actor of that name: this system's own, else that of the first member by its node.
        Raises `NoSuchActor`, and as `Endpoint.lookup`."""
        return await super()._find(name, within, timeout)

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Leaves, and blocks until that is done, which is at once unless the machine is busy."""
        if self._net._federation is self:
            self._net._federation = None
        super().close()
        self._watches.clear()
