"""What becomes of an actor that fails, and of who asked, watched and spawned it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import odeon
import pytest
from actor_kit import Do, HasSeen, Log, on_loop
from odeon import ActorSystem, Backoff, Context, Directive, Scope, Supervision


class Lost(Exception):
    pass


class Gone(Lost):
    pass


class Fragile(odeon.Actor[Any]):
    """Counts; raises what it is sent, if that is an exception."""

    def __init__(self, log: Any = None, name: str = "") -> None:
        self.count = 0
        self.log = log
        self.name = name
        self.tell("made")

    def tell(self, what: str) -> None:
        if self.log is not None:
            self.log.tell(f"{self.name}{what}")

    def post_stop(self, ctx: Context) -> None:
        self.tell("stopped")

    def receive(self, msg: Any, ctx: Context) -> Any:
        if isinstance(msg, BaseException):
            raise msg
        self.count += 1
        return self.count


class Watcher(odeon.Actor[Any]):
    """Watches what it is sent; answers with the Terminated that comes."""

    def receive(self, msg: Any, ctx: Context) -> None:
        if isinstance(msg, odeon.Terminated):
            self.to(msg)
        else:
            ctx.watch(msg)
            self.to = ctx.reply_to()


async def fail(actor: Any, exc: BaseException) -> BaseException:
    """The exception that the asker gets."""
    with pytest.raises(odeon.ActorFailed) as failed:
        await actor.ask(exc)
    return failed.value


# -- directives -----------------------------------------------------------------------------------


def test_by_default_a_failed_actor_begins_anew_behind_the_same_ref() -> None:
    async def main(system: ActorSystem) -> list[int]:
        actor = system.spawn(Fragile, name="one")
        counts = [await actor.ask("a"), await actor.ask("b")]
        await fail(actor, ValueError("x"))
        return [*counts, await actor.ask("c")]

    assert on_loop(main) == [1, 2, 1]


def test_resume_keeps_the_state() -> None:
    async def main(system: ActorSystem) -> list[int]:
        actor = system.spawn(Fragile, supervision=Supervision(otherwise=Directive.RESUME))
        counts = [await actor.ask("a")]
        await fail(actor, ValueError("x"))
        return [*counts, await actor.ask("b")]

    assert on_loop(main) == [1, 2]


def test_stop_ends_the_actor_and_tells_its_watchers_why() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Fragile, name="mortal", supervision=Supervision(otherwise="stop"))
        told = system.spawn(Watcher).ask(actor)
        await fail(actor, ValueError("the reason"))
        end = await told
        assert (end.ref, end.kind) == (actor, "failed")
        assert "ValueError: the reason" in end.reason
        with pytest.raises(odeon.ActorStopped):
            await actor.ask("a")
        assert actor.is_terminated()

    on_loop(main)


class Parent(odeon.Actor[Any]):
    def __init__(self, log: Any, children: dict[str, Supervision]) -> None:
        self.log = log
        self.children = children
        log.tell("parent made")

    def receive(self, msg: Any, ctx: Context) -> Any:
        if isinstance(msg, BaseException):
            raise msg
        if msg == "children":
            return [
                ctx.spawn(Fragile, self.log, f"{name} ", name=name, supervision=how)
                for name, how in self.children.items()
            ]
        return "alive"


def test_escalate_fails_the_parent_with_the_same_exception() -> None:
    async def main(system: ActorSystem) -> list[str]:
        log = system.spawn(Log)
        parent = system.spawn(Parent, log, {"c": Supervision(otherwise="escalate")})
        (child,) = await parent.ask("children")
        await fail(child, Lost("up"))
        seen = await log.ask(HasSeen(4))
        assert await parent.ask("?") == "alive"
        assert child.is_terminated()
        return seen

    assert on_loop(main) == ["parent made", "c made", "c stopped", "parent made"]


def test_a_parent_may_resume_after_an_escalated_failure() -> None:
    async def main(system: ActorSystem) -> list[str]:
        log = system.spawn(Log)
        parent = system.spawn(
            Parent,
            log,
            {"c": Supervision(otherwise="escalate")},
            supervision=Supervision({Lost: "resume"}, otherwise="stop"),
        )
        (child,) = await parent.ask("children")
        await fail(child, Gone("up"))
        assert await parent.ask("?") == "alive"
        return await log.ask(HasSeen(3))

    assert on_loop(main) == ["parent made", "c made", "c stopped"]


def test_a_failure_escalated_to_the_top_ends_the_system() -> None:
    async def main() -> None:
        async with ActorSystem("short") as system:
            actor = system.spawn(Fragile, supervision=Supervision(otherwise="escalate"))
            await fail(actor, Lost("to the top"))
            await system.when_terminated()
            with pytest.raises(odeon.SystemStopped):
                system.spawn(Fragile)

    asyncio.run(main())


# -- deciders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decider", "exc", "resumes"),
    [
        ({Lost: "resume"}, Lost(), True),
        ({Lost: "resume"}, Gone(), True),
        ({Gone: "resume"}, Lost(), False),
        ([(Gone, "restart"), (Lost, "resume")], Gone(), False),
        ([(Lost, "resume"), (Gone, "restart")], Gone(), True),
        ({"builtins.ValueError": "resume"}, ValueError(), True),
        ({"ValueError": "resume"}, ValueError(), True),
        ({"builtins.ArithmeticError": Directive.RESUME}, ZeroDivisionError(), True),
        ({f"{__name__}.Lost": "resume"}, Gone(), True),
        ({"other.Lost": "resume"}, Lost(), False),
        ({BaseException: "resume"}, Lost(), True),
        ({Exception: "resume", Lost: "restart"}, Lost(), True),
    ],
)
def test_the_first_line_that_matches_the_class_or_a_base_decides(
    decider: Any, exc: BaseException, resumes: bool
) -> None:
    async def main(system: ActorSystem) -> Any:
        actor = system.spawn(Fragile, supervision=Supervision(decider))
        await actor.ask("a")
        await fail(actor, exc)
        return await actor.ask("b")

    assert on_loop(main) == (2 if resumes else 1)


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        (Supervision(otherwise="explode"), ValueError, "not explode"),
        (Supervision({ValueError: "explode"}), ValueError, "not explode"),
        (Supervision([("ValueError",)]), TypeError, "pairs"),  # type: ignore[list-item]
        (Supervision({int: "stop"}), TypeError, "exception class"),  # type: ignore[dict-item]
        (Supervision(scope="everyone"), ValueError, "not everyone"),
        (Supervision(max_retries=-1), ValueError, "max_retries"),
        (Supervision(within=-1), ValueError, "within"),
        (Supervision(backoff=Backoff(initial=-1)), ValueError, "initial"),
        (Supervision(backoff=Backoff(multiplier=0.5)), ValueError, "multiplier"),
    ],
)
def test_supervision_that_makes_no_sense_is_refused_at_spawn(
    how: Supervision, error: type[Exception], text: str
) -> None:
    async def main(system: ActorSystem) -> None:
        with pytest.raises(error, match=text):
            system.spawn(Fragile, supervision=how)

    on_loop(main)


# -- scopes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "restarted"),
    [
        (Scope.ONE_FOR_ONE, {"b"}),
        (Scope.ALL_FOR_ONE, {"a", "b", "c"}),
        (Scope.REST_FOR_ONE, {"b", "c"}),
        ("all_for_one", {"a", "b", "c"}),
    ],
)
def test_the_scope_says_who_begins_anew_with_the_failed_one(
    scope: Any, restarted: set[str]
) -> None:
    async def main(system: ActorSystem) -> None:
        log = system.spawn(Log)
        how = Supervision(scope=scope)
        parent = system.spawn(Parent, log, {"a": how, "b": how, "c": how})
        children = dict(zip("abc", await parent.ask("children"), strict=True))
        for child in children.values():
            assert await child.ask("count") == 1
        await fail(children["b"], Lost())
        seen = (await log.ask(HasSeen(4 + 2 * len(restarted))))[4:]
        assert {line[0] for line in seen if line.endswith("made")} == restarted
        counts = {name: await child.ask("count") for name, child in children.items()}
        assert counts == {name: 1 if name in restarted else 2 for name in "abc"}

    on_loop(main)


# -- budgets and backoff --------------------------------------------------------------------------


def test_the_failure_after_the_last_retry_stops_the_actor() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Fragile, supervision=Supervision(max_retries=2, within=60))
        end = system.spawn(Watcher).ask(actor)
        for _ in range(2):
            await fail(actor, Lost())
            assert await actor.ask("a") == 1
        await fail(actor, Lost())
        assert (await end).kind == "failed"

    on_loop(main)


def test_the_default_budget_is_three_restarts_in_a_minute() -> None:
    async def main(system: ActorSystem) -> int:
        actor = system.spawn(Fragile)
        end = system.spawn(Watcher).ask(actor)
        failures = 0
        while not actor.is_terminated() and failures < 10:
            await fail(actor, Lost())
            failures += 1
            try:
                await actor.ask("alive")
            except odeon.ActorStopped:
                break
        assert (await end).kind == "failed"
        return failures

    assert on_loop(main) == 4


def test_retries_are_counted_within_their_window() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Fragile, supervision=Supervision(max_retries=1, within=0.02))
        for _ in range(3):
            await fail(actor, Lost())
            assert await actor.ask("a") == 1
            await asyncio.sleep(0.03)

    on_loop(main)


def test_a_restart_waits_for_its_backoff_and_the_mailbox_with_it() -> None:
    async def main(system: ActorSystem) -> float:
        loop = asyncio.get_running_loop()
        how = Supervision(backoff=Backoff(initial=0.05, multiplier=1, jitter=0))
        actor = system.spawn(Fragile, supervision=how)
        await fail(actor, Lost())
        began = loop.time()
        assert await actor.ask("waits") == 1
        return loop.time() - began

    assert on_loop(main) >= 0.045


def test_an_actor_is_stopped_while_it_waits_for_its_backoff() -> None:
    async def main(system: ActorSystem) -> str:
        how = Supervision(backoff=Backoff(initial=60, max=60, jitter=0))
        actor = system.spawn(Fragile, supervision=how)
        end = system.spawn(Watcher).ask(actor)
        await fail(actor, Lost())
        system.stop_actor(actor)
        return (await end).kind

    assert on_loop(main) == "stopped"


# -- who asked ------------------------------------------------------------------------------------


def test_the_asker_gets_actor_failed_with_its_cause_path_and_message() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Fragile, name="fragile")
        error = Lost("why")
        failed = await fail(actor, error)
        assert failed.__cause__ is error
        assert str(failed).startswith("/user/fragile failed on ")
        assert "Lost: why" in str(failed)

    on_loop(main)


def test_messages_that_wait_are_handled_by_the_new_instance() -> None:
    async def main(system: ActorSystem) -> list[int]:
        actor = system.spawn(Fragile)
        actor.tell("a")
        actor.tell(Lost())
        return list(await asyncio.gather(*(actor.ask(n) for n in range(3))))

    assert on_loop(main) == [1, 2, 3]


def test_a_suspended_handler_that_fails_is_as_one_that_did_not_wait() -> None:
    async def main(system: ActorSystem) -> None:
        async def body(ctx: Context) -> None:
            await asyncio.sleep(0)
            raise Lost("after a wait")

        actor = system.spawn(Do, name="waits")
        with pytest.raises(odeon.ActorFailed, match="after a wait") as caught:
            await actor.ask(body)
        assert isinstance(caught.value.__cause__, Lost)

    on_loop(main)


# -- constructors ---------------------------------------------------------------------------------


class Stubborn(odeon.Actor[Any]):
    """Its constructor raises from the ``good``-th time on."""

    def __init__(self, made: list[int], good: int) -> None:
        made.append(1)
        if len(made) > good:
            raise Lost(f"construction {len(made)}")

    def receive(self, msg: Any, ctx: Context) -> str:
        if isinstance(msg, BaseException):
            raise msg
        return "alive"


def test_a_constructor_that_raises_fails_the_spawn_with_its_cause() -> None:
    async def main(system: ActorSystem) -> None:
        with pytest.raises(odeon.SpawnFailed, match="construction 1") as failed:
            system.spawn(Stubborn, [], 0, name="free")
        assert isinstance(failed.value.__cause__, Lost)
        assert system.lookup("free") is None
        assert await system.spawn(Fragile, name="free").ask("a") == 1

    on_loop(main)


def test_wrong_arguments_of_a_constructor_fail_the_spawn() -> None:
    async def main(system: ActorSystem) -> None:
        with pytest.raises(odeon.SpawnFailed) as failed:
            system.spawn(Stubborn)
        assert isinstance(failed.value.__cause__, TypeError)

    on_loop(main)


def test_a_constructor_that_raises_at_a_restart_is_a_failure_and_uses_the_budget() -> None:
    async def main(system: ActorSystem) -> int:
        made: list[int] = []
        actor = system.spawn(Stubborn, made, 1, supervision=Supervision(max_retries=3))
        end = system.spawn(Watcher).ask(actor)
        await fail(actor, Lost())
        assert (await end).kind == "failed"
        return len(made)

    assert on_loop(main) == 4


def test_a_constructor_that_raises_once_at_a_restart_is_tried_again() -> None:
    class Once(odeon.Actor[Any]):
        made = 0

        def __init__(self) -> None:
            Once.made += 1
            if Once.made == 2:
                raise Lost("once")

        def receive(self, msg: Any, ctx: Context) -> str:
            if isinstance(msg, BaseException):
                raise msg
            return "alive"

    async def main(system: ActorSystem) -> str:
        actor = system.spawn(Once)
        await fail(actor, Lost())
        return str(await actor.ask("?"))

    assert on_loop(main) == "alive"
    assert Once.made == 3


# -- hooks ----------------------------------------------------------------------------------------


class Hooked(odeon.Actor[Any]):
    """Tells of each hook; an async one waits before."""

    def __init__(self, log: Any, fails_in: str = "") -> None:
        self.log = log
        self.fails_in = fails_in
        self.count = 0
        log.tell("made")

    def note(self, hook: str, *what: Any) -> None:
        self.log.tell(" ".join([hook, *map(repr, what)]))
        if self.fails_in == hook:
            raise Lost(hook)

    def pre_start(self, ctx: Context) -> None:
        self.note("pre_start")

    def post_stop(self, ctx: Context) -> None:
        self.note("post_stop")

    def pre_restart(self, exc: BaseException, msg: Any, ctx: Context) -> None:
        self.note("pre_restart", exc, msg, self.count)

    def post_restart(self, exc: BaseException, ctx: Context) -> None:
        self.note("post_restart", exc, self.count)

    def receive(self, msg: Any, ctx: Context) -> int:
        self.count += 1
        if msg == "fail":
            raise Lost("now")
        return self.count


class AsyncHooked(Hooked):
    async def pre_start(self, ctx: Context) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.note("pre_start")

    async def post_stop(self, ctx: Context) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.note("post_stop")

    async def pre_restart(
        self,
        exc: BaseException,
        msg: Any,  # type: ignore[override]
        ctx: Context,
    ) -> None:
        await asyncio.sleep(0)
        self.note("pre_restart", exc, msg, self.count)

    async def post_restart(  # type: ignore[override]
        self, exc: BaseException, ctx: Context
    ) -> None:
        await asyncio.sleep(0)
        self.note("post_restart", exc, self.count)


@pytest.mark.parametrize("cls", [Hooked, AsyncHooked])
def test_the_hooks_of_a_restart_get_exception_and_message_in_their_order(cls: Any) -> None:
    async def main(system: ActorSystem) -> list[str]:
        log = system.spawn(Log)
        actor = system.spawn(cls, log)
        actor.tell("a")
        with pytest.raises(odeon.ActorFailed):
            await actor.ask("fail")
        assert await actor.ask("b") == 1
        system.stop_actor(actor)
        return await log.ask(HasSeen(6))

    assert on_loop(main) == [
        "made",
        "pre_start",
        "pre_restart Lost('now') 'fail' 2",
        "made",
        "post_restart Lost('now') 0",
        "post_stop",
    ]


def test_without_own_hooks_a_restart_calls_post_stop_and_pre_start() -> None:
    class Plain(odeon.Actor[Any]):
        def __init__(self, log: Any) -> None:
            self.log = log

        def pre_start(self) -> None:
            self.log.tell("pre_start")

        def post_stop(self) -> None:
            self.log.tell("post_stop")

        def receive(self, msg: Any) -> str:
            if msg == "fail":
                raise Lost
            return "alive"

    async def main(system: ActorSystem) -> list[str]:
        log = system.spawn(Log)
        actor = system.spawn(Plain, log)
        with pytest.raises(odeon.ActorFailed):
            await actor.ask("fail")
        assert await actor.ask("?") == "alive"
        return await log.ask(HasSeen(3))

    assert on_loop(main) == ["pre_start", "post_stop", "pre_start"]


@pytest.mark.parametrize("cls", [Hooked, AsyncHooked])
def test_pre_start_that_raises_is_a_failure_and_uses_the_budget(cls: Any) -> None:
    async def main(system: ActorSystem) -> list[str]:
        log = system.spawn(Log)
        actor = system.spawn(cls, log, "pre_start", supervision=Supervision(otherwise="stop"))
        end = await system.spawn(Watcher).ask(actor)
        assert end.kind == "failed"
        assert "Lost: pre_start" in end.reason
        with pytest.raises(odeon.ActorStopped):
            await actor.ask("a")
        return await log.ask(HasSeen(3))

    assert on_loop(main)[:2] == ["made", "pre_start"]


@pytest.mark.parametrize("cls", [Hooked, AsyncHooked])
@pytest.mark.parametrize("hook", ["post_stop", "pre_restart"])
def test_a_hook_that_raises_on_the_way_out_holds_up_nothing(cls: Any, hook: str) -> None:
    async def main(system: ActorSystem) -> None:
        log = system.spawn(Log)
        actor = system.spawn(cls, log, hook)
        with pytest.raises(odeon.ActorFailed):
            await actor.ask("fail")
        assert await actor.ask("b") == 1
        end = system.spawn(Watcher).ask(actor)
        system.stop_actor(actor)
        assert (await end).kind == "stopped"

    on_loop(main)


def test_post_restart_that_raises_is_a_failure() -> None:
    async def main(system: ActorSystem) -> None:
        log = system.spawn(Log)
        actor = system.spawn(Hooked, log, "post_restart", supervision=Supervision(max_retries=2))
        end = system.spawn(Watcher).ask(actor)
        with pytest.raises(odeon.ActorFailed):
            await actor.ask("fail")
        assert (await end).kind == "failed"
        seen = await log.ask(HasSeen(3))
        assert seen.count("made") == 3

    on_loop(main)


# -- the interpreter's own exceptions -------------------------------------------------------------


@pytest.mark.parametrize("exc", [KeyboardInterrupt, SystemExit])
def test_a_decider_may_keep_the_interpreter_s_exceptions(exc: type[BaseException]) -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Fragile, supervision=Supervision({exc: "restart"}))
        await actor.ask("a")
        failed = await fail(actor, exc())
        assert isinstance(failed.__cause__, exc)
        assert await actor.ask("b") == 1

    on_loop(main)


@pytest.mark.parametrize("exc", [KeyboardInterrupt("stop"), SystemExit(3)])
@pytest.mark.parametrize("wait", [False, True])
def test_the_interpreter_s_exceptions_end_system_and_loop(exc: BaseException, wait: bool) -> None:
    ended = []

    async def main() -> None:
        async with ActorSystem("ends") as system:

            async def body(ctx: Context) -> None:
                if wait:
                    await asyncio.sleep(0)
                raise exc

            system.spawn(Do).tell(body)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("left")

    with pytest.raises(type(exc)) as raised:
        asyncio.run(main())
    assert raised.value is exc
    assert ended == ["left"]


def test_failures_are_logged_with_actor_message_and_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(system: ActorSystem) -> None:
        await fail(system.spawn(Fragile, name="logged"), Lost("for the log"))

    with caplog.at_level(logging.ERROR, "odeon.actor"):
        on_loop(main)
    (record,) = [r for r in caplog.records if r.name == "odeon.actor"]
    assert "/user/logged" in record.getMessage()
    assert record.exc_info is not None
    assert "in receive" in (record.exc_text or caplog.text)
