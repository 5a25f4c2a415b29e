"""The options of routers: values that are checked when they are made."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from odeon import routing
from odeon.errors import InvalidArgument
from odeon.routing import (
    PoolOptions,
    Resizer,
    Router,
    TroupeOptions,
    balancing,
    broadcast,
    consistent_hash,
    round_robin,
    scatter_gather,
    smallest_mailbox,
    tail_chopping,
    troupe,
)


def test_each_strategy_has_its_settings() -> None:
    assert round_robin(4) == Router("round_robin", 4)
    assert routing.random(3).kind == "random"
    assert smallest_mailbox(2, replace=True).pool == PoolOptions(replace=True)
    assert broadcast(5).size == 5
    assert scatter_gather(3).within == 1.0
    chop = tail_chopping(3)
    assert (chop.interval, chop.within) == (0.05, 1.0)
    assert tail_chopping(3, 0.1, 2.0) == tail_chopping(3, within=2.0, interval=0.1)
    assert troupe(8, 1, attempts=5).workers == TroupeOptions(8, 1, attempts=5)
    assert balancing(2).needs_pool and troupe().needs_pool and not round_robin().needs_pool
    resize = Resizer(min=2, max=6)
    assert round_robin(4, resize=resize).pool.resize is resize
    assert routing.pull is balancing and routing.scatter_gather_first is scatter_gather


def test_options_are_values_that_cannot_be_changed() -> None:
    option = round_robin(4, resize=Resizer(max=20))
    with pytest.raises(dataclasses.FrozenInstanceError):
        option.size = 5  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(option)) == option
    assert hash(option) == hash(round_robin(4, resize=Resizer(max=20)))
    assert option != round_robin(4)


def test_the_key_is_a_function_of_the_message() -> None:
    def length(message: str) -> int:
        return len(message)

    assert consistent_hash(3, key=length).key is length
    with pytest.raises(TypeError, match="function of the message"):
        consistent_hash(3, key="account")  # type: ignore[arg-type]


@pytest.mark.parametrize(("made", "why"), [
    (lambda: round_robin(-1), "0 to 10,000 routees, not -1"),
    (lambda: round_robin(10_001), "not 10,001"),
    (lambda: scatter_gather(3, 0), "scatter_gather waits for a time above zero"),
    (lambda: tail_chopping(3, 0.0), "interval"), (lambda: tail_chopping(3, 1, -1), "within"),
    (lambda: troupe(0), "at least one worker"), (lambda: troupe(2, 3), "at most max workers idle"),
    (lambda: troupe(10_001), "at most 10,000"), (lambda: troupe(attempts=0), "at least once"),
    (lambda: troupe(idle_time=0), "idle_time"), (lambda: troupe(max_pending=-1), "max_pending"),
    (lambda: Router("loudest"), "no routing strategy 'loudest'"),
    (lambda: Resizer(min=0), "min is at least 1"), (lambda: Resizer(min=5, max=4), "at least its"),
    (lambda: Resizer(grow=-1), "grow"), (lambda: Resizer(grow=float("nan")), "grow"),
    (lambda: Resizer(shrink=2), "shrink is"), (lambda: Resizer(shrink_below=2), "shrink_below"),
    (lambda: Resizer(every=0), "every"), (lambda: Resizer(pressure=-1), "pressure")])
def test_what_makes_no_sense_is_refused(made: object, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        made()  # type: ignore[operator]


@pytest.mark.parametrize("size", [1.5, "4", None, True])
def test_a_size_that_is_no_number_of_routees_is_a_type_error(size: object) -> None:
    with pytest.raises(TypeError, match="size of a router is an int"):
        round_robin(size)  # type: ignore[arg-type]


# As src/pattern/resizer.cpp: pressed, size, and by how many routees the pool changes.
@pytest.mark.parametrize(("pressed", "size", "change"), [
    (4, 4, 1), (10, 10, 0), (9, 9, 1), (2, 4, 0), (1, 4, -1), (0, 8, -1), (0, 1, 0), (0, 30, -20),
    (0, 0, 1), (3, 9, 0), (2, 9, -1)])
def test_a_resizer_grows_and_shrinks_within_its_bounds(pressed: int, size: int,
                                                       change: int) -> None:
    assert Resizer().delta(pressed, size) == change


def test_a_resizer_without_shrink_never_shrinks() -> None:
    assert Resizer(shrink=0).delta(0, 8) == 0
