"""Sidecar actors: virtual actors with names, states and timers that an engine keeps, and whose code
is functions of Python, actors of Python, or apps in any language.

Example::

    async def deposit(call: Call) -> Value:
        balance = (call.state or 0) + call.value
        return Value().state(balance).reply(balance).checkpoint()

    async with ActorSystem("bank") as system, Sidecar(system, journal=journal) as side:
        side.register(ActorDef("account", kind="unnamed").action("deposit", deposit))
        await side.invoke("ann", "deposit", 500, parent="account")

An actor is activated when it is first invoked, runs one action at a time, and is put away when
nobody has invoked it for a while; its state is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any as Anything
from typing import Literal, NamedTuple, Self

from . import _native, codecs
from ._native import ActorRef
from .actor import Actor
from .codecs import Encoded
from .errors import (
    ActorFailed,
    DecodingError,
    InvalidArgument,
    NoSuchActor,
    SystemStopped,
    WrongType,
)
from .options import Directive, Supervision
from .persistence import Journal
from .system import ActorSystem

__all__ = [
    "ActorDef",
    "ActorId",
    "ActorNotFound",
    "Any",
    "Call",
    "Figures",
    "InvocationFailed",
    "Sidecar",
    "StoredState",
    "Value",
    "pack",
    "unpack",
]

Kind = Literal["named", "unnamed", "pooled"]
_KINDS: dict[str, int] = {"named": 1, "unnamed": 2, "pooled": 3}
_OK, _NOT_FOUND = 1, 2
_PROTOBUF = "type.googleapis.com/"
_OWN = "odeon/"
_VERSION_DIGITS = 9  # of a value's version
_DRAIN = 2.0  # seconds for the last answers over HTTP to go out, at most

Packed = tuple[str, bytes]
Action = Callable[["Call"], Anything]
Message = Callable[[Anything], Anything]

_logger = logging.getLogger("odeon.sidecar")

try:
    _Native = _native.Sidecar
except AttributeError:
    raise NotImplementedError(
        "this package of odeon is without the sidecar: build it where protobuf is installed"
    ) from None


class ActorNotFound(NoSuchActor):
    """Nobody has registered such a sidecar actor, and nobody has spawned it."""


class InvocationFailed(ActorFailed):
    """An action failed, was refused or was not done in time; the text says which and why."""


# -- values ----------------------------------------------------------------------------------------


class Any(NamedTuple):
    """A value as it travels: the URL of its type, and its bytes."""

    type_url: str
    value: bytes

    def unpack(self, message: type) -> Anything:
        """The message of that class of protobuf. Raises `WrongType` for another type, and
        `DecodingError` for bytes that are no such message."""
        name = message.DESCRIPTOR.full_name  # type: ignore[attr-defined]
        if self.type_url.rpartition("/")[2] != name:
            raise WrongType(f"a value of type {self.type_url!r} came where {name} is wanted")
        made = message()
        try:
            made.ParseFromString(self.value)
        except Exception as failed:  # protobuf's own class, which is not imported here
            raise DecodingError(f"{len(self.value)} bytes are no {name}: {failed}") from failed
        return made


def pack(value: Anything) -> Any:
    """A value as it travels: an `Any` as it is, a message of protobuf under its name, everything
    else as `odeon.codecs` encodes it, under ``odeon/<version>/<manifest>``, as C++ does. Raises
    `EncodingError`."""
    if isinstance(value, Any):
        return value
    if hasattr(value, "SerializeToString") and hasattr(value, "DESCRIPTOR"):
        return Any(_PROTOBUF + value.DESCRIPTOR.full_name, value.SerializeToString())
    sent = codecs.encode(value)
    return Any(f"{_OWN}{sent.version}/{sent.manifest}", bytes(sent.payload))


def unpack(value: Any) -> Anything:
    """The value of Python in it; messages of protobuf and other types stay an `Any`. Raises
    `DecodingError`."""
    if not value.type_url.startswith(_OWN):
        return value
    version, _, manifest = value.type_url[len(_OWN):].partition("/")
    if not (version.isascii() and version.isdecimal() and manifest):
        return value
    if len(version) > _VERSION_DIGITS:
        raise DecodingError(f"{manifest!r} has no version of {len(version)} digits")
    return codecs.decode(Encoded(manifest, int(version), value.value))


def _packed(value: Anything) -> Packed | None:
    if value is None:
        return None
    made = pack(value)
    return made.type_url, made.value


def _unpacked(value: Packed | None) -> Anything:
    return None if value is None else unpack(Any(*value))


class ActorId(NamedTuple):
    """Names a sidecar actor; ``parent`` is the template of an instance."""

    system: str
    name: str
    parent: str = ""


# -- what an action is given, and gives ------------------------------------------------------------


class Call:
    """What an action is given."""

    __slots__ = ("_state", "_value", "action", "actor", "caller", "metadata", "tags")

    def __init__(self, actor: tuple[str, str, str], action: str, value: Packed | None,
                 state: Packed | None, caller: tuple[str, str, str] | None,
                 metadata: dict[str, str], tags: dict[str, str]) -> None:
        self.actor = ActorId(*actor)
        self.action = action
        self.caller = None if caller is None else ActorId(*caller)
        """Who asked, if that was said."""
        self.metadata = metadata
        """Of the request, and what finds circles of calls."""
        self.tags = tags
        """Of the definition."""
        self._value = value
        self._state = state

    @property
    def value(self) -> Anything:
        """The request's; None: it has none. Raises `DecodingError`, which fails the action."""
        return _unpacked(self._value)

    @property
    def state(self) -> Anything:
        """The actor's; None: none yet. Raises `DecodingError`, which fails the action."""
        return _unpacked(self._state)

    def __repr__(self) -> str:
        return f"Call({self.action!r} of {self.actor.name!r})"


_Invocation = tuple[tuple[str, str, str], str, "Packed | None", bool, "float | None",
                    "tuple[str, str, str] | None", dict[str, str], int]


class Value:
    """What an action did, said step by step; each step returns the same object.

    It is done in this order: state, effects, broadcast, checkpoint, pipe or forward.
    """

    __slots__ = ("_broadcast", "_checkpoint", "_effects", "_reply", "_route", "_state")

    def __init__(self) -> None:
        self._state: Packed | None = None
        self._reply: Packed | None = None
        self._effects: list[_Invocation] = []
        self._broadcast: tuple[str, str, Packed | None] | None = None
        self._route: tuple[str, str, str] | None = None
        self._checkpoint = False

    def state(self, state: Anything) -> Self:
        """Is the actor's state from now on; without it the state stays."""
        if state is None:
            raise InvalidArgument("a state is a value, not None: leave .state() out to keep it")
        self._state = _packed(state)
        return self

    def reply(self, value: Anything) -> Self:
        """Goes to whoever asked."""
        self._reply = _packed(value)
        return self

    def effect(self, actor: str, action: str, value: Anything = None, *, parent: str = "",
               system: str = "", at: datetime | None = None) -> Self:
        """Invoked after this action, in the actor's name; nobody hears what becomes of it. Any
        number. ``system``: the actor's own; ``at``: when, kept over restarts."""
        self._effects.append(((system, actor, parent), action, _packed(value), False, _seconds(at),
                              None, {}, 0))
        return self

    def broadcast(self, channel: str, action: str, value: Anything = None) -> Self:
        """To all subscribers of the channel, this actor too if it is one."""
        self._broadcast = (channel, action, _packed(value))
        return self

    def forward(self, actor: str, action: str) -> Self:
        """The request's value goes to that actor, and its answer is the answer."""
        self._route = ("forward", actor, action)
        return self

    def pipe(self, actor: str, action: str) -> Self:
        """The reply becomes that actor's request, and its answer is the answer."""
        self._route = ("pipe", actor, action)
        return self

    def checkpoint(self) -> Self:
        """The state is stored before the answer goes out."""
        self._checkpoint = True
        return self

    def _told(self) -> tuple[Anything, ...]:
        return (self._state, self._reply, self._effects, self._broadcast, self._route,
                self._checkpoint)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


class ActorDef:
    """One definition: what an actor is, and the functions that are its actions.

    :param kind: "named" (one actor), "unnamed" (a template, whose instances get their names as
        they are spawned or invoked), "pooled" (several workers under one name).
    :param stateful: whether its state is stored at all.
    :param channel: subscribed to; empty: none.
    :param snapshot_every: seconds between writes of a state that changes.
    :param deactivate_after: seconds without a message until it is put away.
    :param min_pool, max_pool: workers of a pool; 0: the engine chooses.
    :param tags: given to each of its actions.
    :param initial_state: its state as long as none has been stored.
    """

    def __init__(self, name: str, *, kind: Kind = "named", stateful: bool = True,
                 channel: str = "", snapshot_every: float = 2.0, deactivate_after: float = 30.0,
                 min_pool: int = 0, max_pool: int = 0, tags: Mapping[str, str] | None = None,
                 initial_state: Anything = None) -> None:
        if kind not in _KINDS:
            raise ValueError(f"a kind is named, unnamed or pooled, not {kind}")
        self.name = name
        self.kind = kind
        self._settings = (stateful, float(snapshot_every), float(deactivate_after), min_pool,
                          max_pool, channel, dict(tags or {}))
        self._initial = _packed(initial_state)
        self._timers: list[tuple[str, float]] = []
        self._functions: dict[str, Action] = {}

    def action(self, name: str, fn: Action) -> Self:
        """``fn(call)``, a function or a coroutine function, returns a `Value`, or None for nothing
        to say. What it raises fails the action, and the state stays. An action named ``init`` or
        ``setup`` runs first after each activation."""
        if name in self._functions:
            raise InvalidArgument(f"{self.name!r} has two actions of the name {name!r}")
        self._functions[name] = fn
        return self

    def timer_action(self, name: str, every: float, fn: Action) -> Self:
        """The same, run ``every`` seconds after the end of its last run, while it is active."""
        self.action(name, fn)
        self._timers.append((name, float(every)))
        return self

    def _told(self) -> tuple[Anything, ...]:
        stateful, snapshot, deactivate, least, most, channel, tags = self._settings
        timed = {name for name, _ in self._timers}
        return (self.name, _KINDS[self.kind], stateful, snapshot, deactivate, least, most, channel,
                tags, [name for name in self._functions if name not in timed], self._timers,
                self._initial)


# -- running actions -------------------------------------------------------------------------------


def _why(failed: BaseException) -> str:
    if isinstance(failed, asyncio.CancelledError):
        return "the action was cancelled"
    try:
        text = str(failed)
    except Exception:
        text = ""
    return text.encode("utf-8", "replace").decode() or type(failed).__name__


class _Run:
    """One action to be run, where its answer goes, and in how many seconds nobody waits for it."""

    __slots__ = ("answer", "call", "fn", "limit")

    def __init__(self, call: Call, fn: Action, answer: object, limit: float) -> None:
        self.call = call
        self.fn = fn
        self.answer = answer
        self.limit = limit


class _Runner(Actor[_Run]):
    """Runs actions; beside each other, while they wait. What one of them does ends no other."""

    reentrant = True

    async def receive(self, run: _Run) -> None:
        limit: asyncio.Timeout | None = None
        try:
            given = run.fn(run.call)
            if inspect.isawaitable(given):
                async with asyncio.timeout(run.limit) as limit:
                    given = await given
            if given is not None and not isinstance(given, Value):
                raise TypeError(f"an action returns a Value, not {type(given).__qualname__}")
            _Native._answer(run.answer, None, (given or Value())._told())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as failed:
            late = limit is not None and limit.expired()
            _logger.debug("%r failed", run.call, exc_info=failed)
            _Native._answer(run.answer, "the deadline passed, and it was cancelled" if late
                            else _why(failed), None)
            task = asyncio.current_task()
            if isinstance(failed, asyncio.CancelledError) and task and task.cancelling():
                raise  # the runner ends


class _App:
    """The functions of a system's actors; knows nothing of the sidecar, which it would keep."""

    def __init__(self, runner: ActorRef[_Run], defs: Mapping[str, ActorDef]) -> None:
        self._runner = runner
        self._functions = {name: dict(one._functions) for name, one in defs.items()}

    def __call__(self, told: tuple[Anything, ...], answer: object, limit: float) -> None:
        call = Call(*told)
        known = self._functions.get(call.actor.parent or call.actor.name, {})
        fn = known.get(call.action)
        if fn is None:
            _Native._answer(answer, f"there is no function for {call.action!r}", None)
        else:
            self._runner.tell(_Run(call, fn, answer, limit))


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts since the start; those that end in ``_now`` are of the moment."""

    active_now: int
    waiting_now: int
    calls_now: int
    activations: int
    deactivations: int
    invocations: int
    succeeded: int
    failed: int
    not_found: int
    effects: int
    broadcasts: int
    pipes: int
    forwards: int
    timers: int
    scheduled: int
    snapshots: int
    checkpoints: int
    store_failures: int
    fenced: int
    app_failures: int
    app_retries: int
    cycles: int


@dataclass(frozen=True, slots=True)
class StoredState:
    """An actor's state, and the number of its newest stored revision."""

    state: Anything
    revision: int


class Sidecar(_Native):
    """An engine of sidecar actors in a running actor system.

    :param journal: where states are stored; None: in memory, until it is closed.
    :param keep_revisions: of each actor's state; older ones are deleted; 0: all stay.
    :param request_time: seconds that an invocation has which says nothing else.
    :param app_host, app_port, app_path: where apps that register over HTTP are called back; an
        empty host is the address that the registration came from.
    :param app_time: seconds that an app has for one action.
    :param remember: the name that registrations of apps are kept under in the journal, for `recall`
        after a restart; those who share a journal have different ones. None: they are not kept.
    :param limits: ``waiting_per_actor`` (10,000), ``active`` (1,000,000), ``registered``
        (1,000,000), ``calls_per_app`` (256), ``chain`` of pipes and forwards (1,000).

    Left by `close` or ``async with``, which finish what is queued and store all states. A system
    that ends first ends it too, and waits for nothing: close it before. Then its methods raise
    `SystemStopped`, and what was under way has failed. All methods may be called from any thread;
    what is awaited is awaited on a loop. Raises ValueError for options that cannot be meant.

    Where ``system`` of an actor is left out, it is the name of the actor system.
    """

    _system: ActorSystem
    _journal: Journal
    _owns_journal: bool
    _lock: threading.Lock  # over what is registered
    _defs: dict[str, dict[str, ActorDef]]
    _runner: ActorRef[_Run] | None

    def __new__(cls, system: ActorSystem, *, journal: Journal | None = None,
                keep_revisions: int = 10, request_time: float = 60.0,
                app_host: str = "127.0.0.1", app_port: int = 8090,
                app_path: str = "/api/v1/actors/actions", app_time: float = 60.0,
                remember: str | None = None,
                limits: Mapping[str, int] | None = None) -> Sidecar:
        if remember == "":
            raise InvalidArgument("apps are remembered under a name, which is not empty")
        used = Journal.memory(system=system) if journal is None else journal
        try:
            made = super().__new__(cls, system, used, keep_revisions, request_time,
                                   dict(limits or {}), (app_host, app_port, app_path, app_time),
                                   remember)
        except BaseException:
            if journal is None:
                used.close()
            raise
        made._system = system
        made._journal = used
        made._owns_journal = journal is None
        made._lock = threading.Lock()
        made._defs = {}
        made._runner = None
        return made

    # -- actors ------------------------------------------------------------------------------------

    def register(self, *actors: ActorDef, system: str | None = None) -> None:
        """Says that this program has the code of these actors, beside those it had before; one of a
        known name replaces that.

        Apps may have other actors of the same system; of one name the newest definition counts.
        Raises `InvalidArgument` for a definition that contradicts itself.
        """
        where = self._system.name if system is None else system
        with self._lock:
            defs = {**self._defs.get(where, {}), **{one.name: one for one in actors}}
            if self._runner is None:
                self._runner = self._system.spawn(
                    _Runner, supervision=Supervision(otherwise=Directive.RESUME))
            super()._register(where, [one._told() for one in defs.values()],
                              _App(self._runner, defs), self._runner)
            self._defs[where] = defs

    def expose(self, name: str, actor: ActorRef[Anything], *,
               ask: Iterable[str] | Mapping[str, Message | None] = (),
               tell: Iterable[str] | Mapping[str, Message | None] = (),
               system: str | None = None, timeout: float | None = None) -> None:
        """Gives an actor of this process, or of another node, a sidecar name.

        The value of a request is the message that the actor gets: for the actions in ``ask`` its
        reply is the answer, in ``tell`` there is none. Where these are dicts, their functions make
        the message of the value. The actor keeps its own state; the sidecar stores none for it.
        """
        made = ActorDef(name, stateful=False)
        for how, actions in ((_asking, ask), (_telling, tell)):
            given = actions if isinstance(actions, Mapping) else dict.fromkeys(actions)
            for action, message in given.items():
                made.action(action, how(actor, message, timeout))
        if not made._functions:
            raise InvalidArgument(f"{name!r} has no action: name them in ask or tell")
        self.register(made, system=system)

    def spawn(self, *names: str, parent: str, system: str | None = None,
              revision: int = 0) -> None:
        """Says that these are instances of the template ``parent``. They are activated when they
        are first invoked, with the state of that revision (0: the newest). Raises `NotFound` when
        there is no such template. Their record is stored a moment after the call: a program that
        is killed before has not spawned them."""
        where = self._system.name if system is None else system
        super()._spawn([(where, name, parent) for name in names], revision)

    async def invoke(self, actor: str, action: str, value: Anything = None, *,
                     system: str | None = None, parent: str = "",
                     caller: Call | ActorId | None = None, wait: bool = True,
                     at: datetime | None = None, metadata: Mapping[str, str] | None = None,
                     revision: int = 0, timeout: float | None = None) -> Anything:
        """What the action replies; None: nothing.

        :param parent: the template of an instance that has not been spawned.
        :param caller: inside of an action its `Call`: a circle of calls is then found at once.
        :param wait: False: it is queued, and nobody hears what becomes of it.
        :param at: runs then, kept over restarts; as without ``wait``.
        :param timeout: seconds, else the sidecar's ``request_time``.

        Raises `ActorNotFound`, `InvocationFailed` with the sidecar's sentence, `EncodingError` for
        the value and `DecodingError` for the reply. Cancelled, it waits no more; the action may
        run all the same.
        """
        where = self._system.name if system is None else system
        told = dict(metadata or {})
        if isinstance(caller, Call):
            told = {**caller.metadata, **told}
            caller = caller.actor
        by = None if caller is None else tuple(caller)
        status, text, reply = await super()._invoke(
            ((where, actor, parent), action, _packed(value), wait, _seconds(at), by, told,
             revision), timeout)
        if status == _NOT_FOUND:
            raise ActorNotFound(text)
        if status != _OK:
            raise InvocationFailed(text)
        return _unpacked(reply)

    def publish(self, channel: str, action: str, value: Anything = None, *,
                system: str | None = None) -> None:
        """To all actors that are subscribed to the channel; nobody hears what becomes of it."""
        where = self._system.name if system is None else system
        super()._publish(where, channel, action, _packed(value), None)

    async def state_of(self, actor: str, *, system: str | None = None,
                       parent: str = "") -> StoredState | None:
        """The state in memory, or in the store when the actor is not active; None: it has none."""
        where = self._system.name if system is None else system
        found = await super()._state_of((where, actor, parent))
        return None if found is None else StoredState(_unpacked(found[0]), found[1])

    def figures(self) -> Figures:
        """What it has done and holds."""
        return Figures(**super()._figures())

    # -- apps --------------------------------------------------------------------------------------

    async def recall(self) -> int:
        """Registers again the apps that had registered before the last end, which then need not do
        so themselves: how many actor systems. Once, before the first `listen`; 0 without
        ``remember``. Raises `IoFailed` and its kind, and `CorruptRecord`."""
        return await asyncio.to_thread(super()._recall)

    def listen(self, address: str) -> str:
        """Lets apps in other languages register here, over HTTP: where it listens, with the real
        port. ``"127.0.0.1:0"`` is a free one, ``"unix:/run/sidecar.sock"`` a socket's file. Nobody
        is asked who they are. May be called again, with another address. Raises `AddressInUse`, and
        `IoFailed` for other reasons."""
        return super()._listen(address)

    # -- the end -----------------------------------------------------------------------------------

    async def close(self, limit: float = 10.0) -> int:
        """Takes nothing new, finishes what is queued and stores all states, within ``limit``
        seconds: how many actors could not be stored. What is not finished then fails, and is
        cancelled; so it is at once when this is cancelled. Idempotent."""
        left = 0
        try:
            with contextlib.suppress(SystemStopped):
                left = await super()._stop(limit)
                await super()._drain(min(limit, _DRAIN))
        finally:
            owned, self._owns_journal = self._owns_journal, False
            await asyncio.to_thread(super()._close)
            if owned:
                await asyncio.to_thread(self._journal.close)
        return left

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()


def _asking(actor: ActorRef[Anything], message: Message | None,
            timeout: float | None) -> Action:
    async def ask(call: Call) -> Value:
        told = call.value if message is None else message(call.value)
        limit = {} if timeout is None else {"timeout": timeout}
        return Value().reply(await actor.ask(told, **limit))

    return ask


def _telling(actor: ActorRef[Anything], message: Message | None,
             timeout: float | None) -> Action:
    def tell(call: Call) -> None:
        actor.tell(call.value if message is None else message(call.value))

    return tell
