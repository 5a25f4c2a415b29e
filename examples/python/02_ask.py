"""Asking: a value, a refusal, a time-out that says where the request was.

Prints::

    an object with a mailbox
    refused: no entry for monad
    no reply in time
"""

import odeon
from odeon.errors import Refused


class Dictionary(odeon.Actor[str]):
    def receive(self, word: str, ctx: odeon.Context) -> str:
        if word == "actor":
            return "an object with a mailbox"
        # Fails the ask, and not the actor.
        ctx.reply_to().fail(Refused(f"no entry for {word}"))
        return ""


class Sloth(odeon.Actor[str]):
    """Keeps its askers waiting."""

    def __init__(self) -> None:
        self.waiting: list[odeon.ReplyTo] = []

    def receive(self, word: str, ctx: odeon.Context) -> None:
        self.waiting.append(ctx.reply_to())


# Without an event loop: actors run on a thread of their own, and asking blocks.
with odeon.ActorSystem.start("app") as system:
    book = system.spawn(Dictionary)
    print(book.ask_blocking("actor"))
    try:
        book.ask_blocking("monad")
    except Refused as e:
        print("refused:", e)
    sloth = system.spawn(Sloth, name="sloth")
    try:
        sloth.ask_blocking("actor", timeout=0.02)
    except odeon.AskTimeout as e:
        assert "/user/sloth" in str(e)
        print("no reply in time")
