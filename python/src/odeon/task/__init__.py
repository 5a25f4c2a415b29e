"""Tasks: structured concurrency with generators that can speak.

A task is a generator. It waits by ``yield from`` the verbs of this module; what it yields itself
are messages. Many tasks take turns on one thread, so they share data without locks.

    from odeon import task

    def worker(name, delay_ms):
        yield from task.sleep(delay_ms)
        yield from task.send(f"done:{name}")        # a message
        return name                                 # the result

    def both():
        a = yield from task.fork(worker("a", 10))
        b = yield from task.fork(worker("b", 5))
        return [(yield from task.join(a)), (yield from task.join(b))]

    task.run(both(), print)                         # done:a, ["a", "b"]; b spoke before its join
    # in a coroutine:  names = await task.fork(both())

Standard library only. Durations of ``sleep`` are **milliseconds**, unless it is told ``seconds=``.
"""

from ._fork import Fork, resume
from ._group import Group
from ._scheduler import Scheduler, current_scheduler
from ._effects import batch, consume, effect, effects, listen, loop, none_, send, tag, with_tag
from ._host import Host
from ._run import main, run
from ._types import (
    CURRENT,
    SUSPEND,
    Control,
    Effect,
    Failure,
    ForkOptions,
    Instruction,
    Result,
    Status,
    Success,
    Tagged,
    Task,
    TaskExit,
    is_instruction,
    is_message,
)
from ._unhandled import UnhandledTaskError, set_unhandled_task_error_hook
from ._verbs import (
    abort,
    all_,
    current,
    exit_,
    fork,
    group,
    join,
    race,
    sleep,
    spawn,
    suspend,
    terminate,
    then_,
    wait,
)

Controller = ControllerFork = TaskFork = Fork
TaskGroup = Group

__all__ = [
    "CURRENT",
    "SUSPEND",
    "Control",
    "Controller",
    "ControllerFork",
    "Effect",
    "Failure",
    "Fork",
    "ForkOptions",
    "Host",
    "Instruction",
    "Result",
    "Scheduler",
    "Status",
    "Success",
    "Tagged",
    "Task",
    "TaskExit",
    "TaskFork",
    "TaskGroup",
    "UnhandledTaskError",
    "abort",
    "all_",
    "batch",
    "consume",
    "current",
    "current_scheduler",
    "effect",
    "effects",
    "exit_",
    "fork",
    "group",
    "is_instruction",
    "is_message",
    "join",
    "listen",
    "loop",
    "main",
    "none_",
    "race",
    "resume",
    "run",
    "send",
    "set_unhandled_task_error_hook",
    "sleep",
    "spawn",
    "suspend",
    "tag",
    "terminate",
    "then_",
    "wait",
    "with_tag",
]
