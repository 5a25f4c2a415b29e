"""The words of tasks: instructions, outcomes, and the aliases for annotations."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypedDict

if TYPE_CHECKING:
    from typing_extensions import TypeAliasType, TypeIs, TypeVar

    T = TypeVar("T", default=Any)
    X = TypeVar("X", default=Any)
    M = TypeVar("M", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")
    X = TypeVar("X")
    M = TypeVar("M")


class Control:
    """An instruction: what a task yields for its scheduler, not for who listens to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return f"<{self._text}>"


CURRENT: Final = Control("CURRENT")
"""Yielded: goes on at once with the handle of the task that runs."""

SUSPEND: Final = Control("SUSPEND")
"""Yielded: goes on when the task is resumed."""

if TYPE_CHECKING:
    Instruction = TypeAliasType("Instruction", Control | M, type_params=(M,))
    Task = TypeAliasType("Task", Generator[Control | M, Any, T], type_params=(T, X, M))
    Effect = TypeAliasType("Effect", Generator[Control | M, Any, None], type_params=(M,))
else:

    class _Alias:
        """A name for annotations that takes any number of parameters when the program runs."""

        def __init__(self, origin: Any) -> None:
            self._origin = origin

        def __getitem__(self, parameters: Any) -> Any:
            return GenericAlias(self._origin, parameters)

        def __or__(self, other: Any) -> Any:
            return self._origin | other

        def __ror__(self, other: Any) -> Any:
            return other | self._origin

    Instruction = _Alias(object)
    Task = _Alias(Generator)
    Effect = _Alias(Generator)

Tagged: TypeAlias = dict[str, Any]
"""``{"type": tag, tag: message}``"""


class Status(StrEnum):
    """Where a fork is in its life."""

    IDLE = "idle"
    ACTIVE = "active"
    FINISHED = "finished"


@dataclass(slots=True)
class Success(Generic[T]):
    """A task has ended with a value."""

    value: T
    ok: bool = True


@dataclass(slots=True)
class Failure(Generic[X]):
    """A task has ended with an error."""

    error: X
    ok: bool = False


Result: TypeAlias = "Success[T] | Failure[X]"


class ForkOptions(TypedDict, total=False):
    """Options of ``fork``."""

    name: str | None


class TaskExit(RuntimeError):
    """What ``exit_`` throws into a task, at the place where it is suspended.

    A task that lets it pass has ended with ``value``. It is an ``Exception``, so a handler of all
    of them sees it, with the text Python has for a generator that ends from inside.
    """

    def __init__(self, value: Any = None) -> None:
        super().__init__("generator raised StopIteration")
        self.value = value


def is_instruction(item: object) -> TypeIs[Control]:
    """Whether what a task yielded is for the scheduler: for functions that drive one by hand."""
    return type(item) is Control


def is_message(item: object) -> bool:
    """Whether what a task yielded is a message."""
    return type(item) is not Control
