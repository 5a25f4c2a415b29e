"""Two ways to be in a state: set messages aside until their time comes, or change the behaviour.

Prints::

    one, two, three, (finished), (refused)
"""

import asyncio

import odeon


class Notebook(odeon.Actor[str]):
    """What comes before "begin" waits. After "finish" another handler is in force."""

    def __init__(self) -> None:
        self.has_begun = False
        self.lines: list[str] = []

    def receive(self, msg: str, ctx: odeon.Context) -> str | None:
        match msg:
            case "begin":
                self.has_begun = True
                ctx.unstash_all()  # next, in the order it came, before what waits in the mailbox
            case "finish":
                self.lines.append("(finished)")
                ctx.become(self.finished)
            case line if self.has_begun:
                self.lines.append(line)
            case _:
                ctx.stash()
        return None

    def finished(self, msg: str, ctx: odeon.Context) -> str | None:
        if msg == "read":
            return ", ".join(self.lines)
        self.lines.append("(refused)")
        return None


async def main() -> None:
    async with odeon.ActorSystem("app") as system:
        notebook = system.spawn(Notebook)
        for msg in ("one", "two", "begin", "three", "finish", "four"):
            notebook.tell(msg)
        print(await notebook.ask("read"))


asyncio.run(main())
