"""Actors: classes, functions and generators."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from ._native import Context

__all__ = ["Actor", "Behavior", "Props", "Request", "behavior", "generator_actor", "on"]

M = TypeVar("M")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])


def _default(function: F) -> F:
    function.__odeon_default__ = True  # type: ignore[attr-defined]
    return function


class Request(Generic[R_co]):
    """For type checkers: a message that names the type of its reply.

    ``await ref.ask(GetCount())`` is then an ``int``, where the class says so::

        @dataclass
        class GetCount(odeon.Request[int]): ...
    """

    __slots__ = ()


class Actor(Generic[M]):
    """The base of actor classes; ``M`` is the union of the messages it accepts.

    A handler is ``receive(self, msg, ctx)``, or ``on_<MessageClass>`` methods, or methods marked
    with :func:`on`; each may be ``def`` or ``async def``, and leave ``ctx`` out. What it returns is
    the reply; an ask whose handler returns None without ``ctx.reply`` fails with
    :class:`odeon.errors.NoReply`. A handler takes one message at a time: while an ``async def``
    handler waits, the mailbox waits.

    Example::

        class Greeter(odeon.Actor[str]):
            def receive(self, msg: str, ctx: odeon.Context) -> str:
                return f"hello, {msg}"
    """

    reentrant = False

    @_default
    def pre_start(self, ctx: Context) -> Any:
        """Before the first message. An exception is a failure, as a handler's."""

    @_default
    def post_stop(self, ctx: Context) -> Any:
        """After the last message."""

    @_default
    def pre_restart(self, exc: BaseException, msg: Any, ctx: Context) -> Any:
        """On the instance that failed, before it is replaced; calls ``post_stop`` unless
        overridden."""

    @_default
    def post_restart(self, exc: BaseException, ctx: Context) -> Any:
        """On the new instance; calls ``pre_start`` unless overridden."""


def on(*messages: type) -> Callable[[F], F]:
    """Marks a method as the handler of messages of these classes (and those derived from them)."""

    def mark(function: F) -> F:
        function.__odeon_on__ = messages  # type: ignore[attr-defined]
        return function

    return mark


class Props:
    """A class of actors with the arguments of its constructor, for ``spawn``.

    For constructors with arguments that are named as spawn's own options are (``name``, ``tags``
    …): ``system.spawn(Props(Player, name="x"), name="player-1")``.
    """

    def __init__(self, cls: type, /, *args: Any, **kwargs: Any) -> None:
        self.cls = cls
        self.args = args
        self.kwargs = kwargs

    def __odeon_recipe__(
        self, rest: tuple[Any, ...]
    ) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
        return self.cls, self.args + rest, self.kwargs


class Behavior(Generic[S]):
    """An actor made of an initial state and a handler; see :func:`behavior`."""

    def __init__(self, initial: S, handler: Callable[..., Any]) -> None:
        self.initial = initial
        self.handler = handler

    def __odeon_recipe__(
        self, rest: tuple[Any, ...]
    ) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
        return _class_of_behavior(self.handler), (self.initial, *rest), {}


_behaviors: dict[Any, type] = {}


def _class_of_behavior(handler: Callable[..., Any]) -> type:
    import copy
    import inspect

    found = _behaviors.get(handler)
    if found is not None:
        return found
    takes_context = len(inspect.signature(handler).parameters) >= 3

    def make(self: Any, initial: Any) -> None:
        # A restart begins with the initial state again, untouched by the instance before.
        self.state = copy.deepcopy(initial)

    if inspect.iscoroutinefunction(handler):

        async def receive(self: Any, msg: Any, ctx: Any) -> Any:
            return await (
                handler(self.state, msg, ctx) if takes_context else handler(self.state, msg)
            )

        function: Callable[..., Any] = receive
    elif takes_context:

        def receive_with_context(self: Any, msg: Any, ctx: Any) -> Any:
            return handler(self.state, msg, ctx)

        function = receive_with_context
    else:

        def receive_alone(self: Any, msg: Any) -> Any:
            return handler(self.state, msg)

        function = receive_alone
    name = getattr(handler, "__qualname__", "behavior")
    made = type(
        name.rsplit(".", 1)[-1],
        (),
        {
            "__init__": make,
            "receive": function,
            "__module__": handler.__module__,
            "__qualname__": name,
        },
    )
    if len(_behaviors) < 10_000:
        _behaviors[handler] = made
    return made


def behavior(initial: S, handler: Callable[..., Any]) -> Behavior[S]:
    """An actor of a state and one function: ``handler(state, msg)`` or ``handler(state, msg,
    ctx)``.

    The state is copied for each actor and for each restart. What the handler returns is the reply.

    Example::

        counter = system.spawn(odeon.behavior([0], lambda state, n: state.append(n)))
    """
    return Behavior(initial, handler)


def generator_actor(function: Callable[..., Generator[Any, Any, Any]]) -> type[Any]:
    """A class of actors from a generator function: each message is the value of a ``yield``.

    What the next ``yield`` gives is the reply. The actor stops when the generator returns.

    Example::

        @odeon.generator_actor
        def accumulator(ctx, start=0):
            total = start
            while True:
                n = yield total
                total += n
    """

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        self._args = args
        self._kwargs = kwargs
        self._generator = None

    def receive(self: Any, msg: Any, ctx: Any) -> Any:
        if self._generator is None:
            self._generator = function(ctx, *self._args, **self._kwargs)
            next(self._generator)
        try:
            return self._generator.send(msg)
        except StopIteration as end:
            ctx.stop()
            return end.value

    def post_stop(self: Any, ctx: Any) -> None:
        if self._generator is not None:
            self._generator.close()

    return type(
        function.__name__,
        (),
        {
            "__init__": make,
            "receive": receive,
            "post_stop": post_stop,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
        },
    )
