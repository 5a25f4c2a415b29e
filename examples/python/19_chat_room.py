"""A chat room: members come and go, and one that fails is put out of the room.

Prints::

    bob heard: ann joined
    bob heard: ann: hello
    ann heard: bob left
    in the room: ann
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import odeon


@dataclass
class Join:
    member: odeon.ActorRef[str]


@dataclass
class Say:
    text: str


class Room(odeon.Actor[Join | Say | str]):
    def __init__(self) -> None:
        self.members: list[odeon.ActorRef[str]] = []

    def tell_others(self, who: odeon.ActorRef[Any], text: str) -> None:
        for member in self.members:
            if member != who:
                member.tell(text)

    def on_join(self, msg: Join, ctx: odeon.Context) -> None:
        ctx.watch(msg.member)  # whoever ends, for whatever reason, has left
        self.members.append(msg.member)
        self.tell_others(msg.member, f"{msg.member.name} joined")

    def on_say(self, msg: Say, ctx: odeon.Context) -> None:
        if ctx.sender is not None:
            self.tell_others(ctx.sender, f"{ctx.sender.name}: {msg.text}")

    def on_terminated(self, msg: odeon.Terminated, ctx: odeon.Context) -> None:
        self.members.remove(msg.ref)
        self.tell_others(msg.ref, f"{msg.ref.name} left")

    @odeon.on(str)
    def who_is_there(self, msg: str) -> str:
        return ", ".join(member.name for member in self.members)


class Member(odeon.Actor[str]):
    def __init__(self, room: odeon.ActorRef[Any], heard: asyncio.Queue[str]) -> None:
        self.room = room
        self.heard = heard

    def pre_start(self, ctx: odeon.Context) -> None:
        self.room.tell(Join(ctx.self))

    def receive(self, msg: str, ctx: odeon.Context) -> None:
        if msg.startswith("/say "):
            self.room.tell(Say(msg[5:]))
        elif msg == "/leave":
            ctx.stop()
        else:
            self.heard.put_nowait(f"{ctx.self.name} heard: {msg}")


async def main() -> None:
    async with odeon.ActorSystem("chat") as system:
        heard: asyncio.Queue[str] = asyncio.Queue()
        room = system.spawn(Room, name="room")
        bob = system.spawn(Member, room, heard, name="bob")
        await room.ask("who")
        ann = system.spawn(Member, room, heard, name="ann")
        print(await heard.get())
        ann.tell("/say hello")
        print(await heard.get())
        bob.tell("/leave")
        print(await heard.get())
        print("in the room:", await room.ask("who"))


asyncio.run(main())
