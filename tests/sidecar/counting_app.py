"""The app of the tests, as a program: counting_app.py --port P --proxy-port Q [--quick].

Prints "ready <port>" when it listens and has registered. `--quick` answers without Flask, for
thousands of actors. It is killed by the tests, so it keeps nothing.
"""

import argparse
import asyncio
import json
import logging
import os
import threading

from spawn_app import POOLED, UNNAMED, Actor, Actors, Proxy, Value, number, text

SYSTEM = "test-system"


def counter(name, **more):
    """Keeps a number."""
    actor = Actor(name, **more)

    @actor.action("add")
    def add(payload, ctx):
        total = (ctx.state.value if ctx.state else 0) + payload.value
        return Value(number(total), number(total))

    @actor.action("save")
    def save(payload, ctx):
        total = (ctx.state.value if ctx.state else 0) + payload.value
        return Value(number(total), number(total), checkpoint=True)

    @actor.action("fail")
    def fail(payload, ctx):
        raise RuntimeError("this action fails")

    @actor.action("nothing")
    def nothing(payload, ctx):
        return None

    @actor.action("crash")
    def crash(payload, ctx):
        os._exit(3)

    @actor.action("hang")
    def hang(payload, ctx):
        threading.Event().wait()

    @actor.action("who")
    def who(payload, ctx):
        return Value(text(json.dumps({"caller": ctx.caller, "self": ctx.self_name,
                                      "tags": ctx.tags, "metadata": ctx.metadata,
                                      "empty": payload is None, "pid": os.getpid()})))

    return actor


def ledger(name, **more):
    """Keeps the names of all operations, in their order."""
    actor = Actor(name, **more)

    @actor.action("put")
    def put(payload, ctx):
        done = json.loads(ctx.state.value) if ctx.state else []
        done.append(payload.value)
        return Value(number(len(done)), text(json.dumps(done)), checkpoint=True)

    return actor


def workflows(proxy):
    joe = Actor("joe", channel="news", tags={"colour": "red"})

    @joe.action("init")
    def init(payload, ctx):
        return Value(state=text("made"))

    @joe.action("state")
    def state(payload, ctx):
        return Value(ctx.state)

    @joe.action("effects")
    def effects(payload, ctx):
        return Value(text("told")).effect("add", number(5), "mike", "abstract").effect(
            "add", number(7), "mike", "abstract")

    @joe.action("tell")
    def tell(payload, ctx):
        return Value(text("told")).broadcast("news", "heard", payload)

    @joe.action("heard")
    def heard(payload, ctx):
        return Value(state=text("heard " + payload.value))

    @joe.action("pipe")
    def pipe(payload, ctx):
        return Value(number(payload.value * 10)).pipe("sum", "add")

    @joe.action("forward")
    def forward(payload, ctx):
        return Value(text("not seen")).forward("sum", "add")

    @joe.action("ask")
    def ask(payload, ctx):
        """Invokes another actor, and waits, before it answers."""
        status, value = proxy.invoke(SYSTEM, "sum", "add", number(1))
        return Value(text(f"{status} {value.value if value else None}"))

    ann = Actor("ann", channel="news")

    @ann.action("heard")
    def ann_heard(payload, ctx):
        return Value(state=text("ann heard " + payload.value))

    clock = Actor("clock")

    @clock.timer("tick", 50)
    def tick(payload, ctx):
        return Value(state=number((ctx.state.value if ctx.state else 0) + 1))

    return [joe, ann, clock]


async def serve_quickly(actors, port, when_ready):
    """HTTP/1.1 with connections that are kept, and nothing else."""

    async def one(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                            if line.lower().startswith(b"content-length:"))
                body = actors.answer(await reader.readexactly(size))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port, backlog=1024)
    when_ready()
    await server.serve_forever()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--proxy-port", type=int, required=True)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--deactivate-ms", type=int, default=30000)
    a = arguments.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    proxy = Proxy("127.0.0.1", a.proxy_port)
    life = {"deactivate_ms": a.deactivate_ms}
    actors = Actors(SYSTEM, [counter("sum", **life), counter("abstract", kind=UNNAMED, **life),
                             counter("workers", kind=POOLED, stateful=False, **life),
                             counter("stateless", stateful=False), ledger("ledger", **life),
                             *workflows(proxy)], proxy)

    def register():
        answer = proxy.register(SYSTEM, actors.actors)
        print(f"ready {a.port} {answer.status.message}", flush=True)

    if a.quick:
        asyncio.run(serve_quickly(actors, a.port,
                                  lambda: threading.Thread(target=register).start()))
    else:
        threading.Thread(target=register).start()
        actors.flask().run(host="127.0.0.1", port=a.port, use_reloader=False)


if __name__ == "__main__":
    main()
