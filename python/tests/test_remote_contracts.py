"""Contracts of messages: what is compared when an actor of another node is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from typing import Any

import odeon
import pytest
import remote_contract_node as there
from odeon import codecs, errors, remote
from odeon.remote import _agent
from odeon.remote.contracts import bridge, contract_of, hash_of, messages_of
from remote_kit import LIMIT, a_node, a_process, looped, until
from remote_nodes import SECRET, Add, Counter, Total


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    """A program whose messages are those of remote_contract_node.py."""
    with a_process(there.__file__) as (_, address):
        yield address


def message(name: str, *fields: Any, version: int = 1, **members: Any) -> type:
    """A class of messages that this side knows under that manifest."""
    return make_dataclass(name.replace(".", "_"), fields, namespace={
        "__manifest__": name, "__version__": version, **members})


async def resolved(node: str, *classes: type) -> Any:
    async with odeon.ActorSystem("here") as here:
        async with remote.Endpoint(here, secret=SECRET) as net:
            return (await net.lookup(node, "clerk", classes, timeout=LIMIT)).path


@looped
async def test_the_same_contract_and_those_that_can_be_bridged_are_found(node: str) -> None:
    for classes in (
        (message("contract.order", ("item", str), ("count", int, 1)),),  # just the same
        (message("contract.order", ("item", str)),),  # what is missing has a default there
        (message("contract.order", ("item", str), ("colour", str, "")),),  # what is new is skipped
        (message("contract.grown", ("n", int), version=1),),  # an older version, which is lifted
        (message("contract.measure", ("value", int)),),  # an int where a float is read
    ):
        path = await resolved(node, *classes)
        assert path.startswith(f"odeon://clerks@{node}/user/clerk")


@pytest.mark.parametrize(("cls", "text"), [
    (message("contract.order", ("count", int, 1)), "field item: it must be there"),
    (message("contract.order", ("item", int)), "field item: it is int here and str there"),
    (message("contract.order", ("item", str | None)), "optional of str here and str there"),
    (message("contract.order", ("item", str), version=2), "version 2"),
    (message("contract.grown", ("n", int), version=3), "version 3"),
])
@looped
async def test_a_contract_that_changed_is_told_with_both_hashes(
        node: str, cls: type, text: str) -> None:
    with pytest.raises(errors.ContractChanged, match=text) as caught:
        await resolved(node, cls)
    changed = caught.value
    assert changed.ours and changed.theirs and changed.ours != changed.theirs
    assert changed.ours == hash_of(contract_of(cls))
    for part in (node, changed.ours, changed.theirs, "upgrade the readers"):
        assert part in str(changed)
    assert changed.manifest == cls.__manifest__  # type: ignore[attr-defined]


@looped
async def test_a_message_that_is_not_known_there_is_told(node: str) -> None:
    with pytest.raises(errors.UnknownManifest, match="contract.nobody.*register") as caught:
        await resolved(node, message("contract.nobody", ("n", int)))
    assert node in str(caught.value)


@looped
async def test_a_class_of_actors_stands_for_the_messages_it_declares(node: str) -> None:
    class Clerk(odeon.Actor[there.Order | there.Grown]):
        @odeon.on(there.Measure)
        def measure(self, msg: there.Measure) -> None: ...

        def receive(self, msg: Any) -> None: ...

    assert set(messages_of(Clerk)) == {there.Order, there.Grown, there.Measure}
    assert messages_of(Counter) == ()  # Actor[Any] declares nothing
    async with odeon.ActorSystem("here") as here:
        async with remote.Endpoint(here, secret=SECRET) as net:
            clerk = await net.lookup(node, "clerk", Clerk, timeout=LIMIT)
            assert await clerk.ask(there.Order("pen", 2), timeout=LIMIT) == "2 pen"
            own = here.spawn(Clerk, name="own")
            assert await net.resolve(net.address_of(own), Clerk, timeout=LIMIT) == own


@pytest.mark.parametrize("answer", [
    17, [17], {"a": 1}, [_agent.Difference("nodes.add", "no JSON")],
    [_agent.Difference("nodes.add", "[]")], [_agent.Difference("nodes.add", '{"types": 3}')],
    [_agent.Difference("nodes.add", '{"types": {"nodes.add": {"version": "1"}}}')],
    [_agent.Difference("never.asked", "{}")], _agent.Refusal("no_code", "because"),
])
@looped
async def test_what_another_node_makes_up_is_an_error_of_its_own(answer: Any) -> None:
    class Liar(odeon.Actor[Any]):
        def receive(self, msg: Any) -> Any:
            return answer

    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        there.stop_actor(there.lookup(_agent.AGENT))
        await until(lambda: there.lookup(_agent.AGENT) is None)
        there.spawn(Liar, name=_agent.AGENT)
        async with a_node("here") as (_, near):
            with pytest.raises(errors.OdeonError, match=far.node):
                await near.lookup(far.node, "counter", (Add,), timeout=LIMIT)
            with pytest.raises(errors.OdeonError, match=far.node):
                await near.spawn_at(far.node, "counter", timeout=LIMIT)
            found = await near.lookup(far.node, "counter", timeout=LIMIT)
            assert await found.ask(Total(), timeout=LIMIT) == 0


def test_what_is_no_message_is_refused() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="Plain"):
        messages_of((Plain,))
    assert messages_of((Add, Total, Add)) == (Add, Total)


class Colour(Enum):
    RED = 1


@dataclass
class Line:
    __manifest__ = "inside.line"
    what: str
    colour: Colour = Colour.RED


@dataclass
class Bill:
    __manifest__ = "inside.bill"
    lines: list[Line] = field(default_factory=list)


def test_what_is_inside_a_message_counts() -> None:
    ours = contract_of(Bill)
    assert set(ours["types"]) == {"inside.bill", "inside.line",
                                  codecs.default.manifest_of(Colour)}
    theirs = contract_of(Bill)
    bridge(ours, theirs, "me")
    del theirs["types"]["inside.line"]["fields"]["what"]
    theirs["types"]["inside.line"]["fields"]["price"] = {"is": "int", "optional": False}
    with pytest.raises(errors.ContractChanged, match="inside.bill, inside.line, field price"):
        bridge(ours, theirs, "me")
    theirs = contract_of(Bill)
    theirs["types"][codecs.default.manifest_of(Colour)]["values"] = ["2"]
    with pytest.raises(errors.ContractChanged, match="the value 1 is not known"):
        bridge(ours, theirs, "me")
