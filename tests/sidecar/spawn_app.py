"""An app of the Spawn protocol v1, as the Python SDK makes one: written from the protocol's tables.

`Actors` answers the calls of a sidecar, and does to the byte what the SDK does, its faults
included: an actor is looked up by its parent or its name; a payload of an unknown type, a result
that is no Value and an actor of another system all end in a page of HTML with status 500; names are
spawned from inside an action, before its answer. `Proxy` is the SDK's client.
"""

import http.client
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

try:
    import requests
    from flask import Flask, Response, request
    from google.protobuf.any_pb2 import Any
    from requests.adapters import HTTPAdapter, Retry
except ImportError:
    other = "/usr/bin/python3"
    if os.path.exists(other) and os.path.realpath(sys.executable) != os.path.realpath(other):
        os.execv(other, [other] + sys.argv)
    print("skipped: Python's flask, requests or protobuf is missing")
    sys.exit(77)

PROTO = Path(__file__).resolve().parents[2] / "src" / "sidecar" / "proto"
OCTETS = {"Accept": "application/octet-stream", "Content-Type": "application/octet-stream"}
NAMED, UNNAMED, POOLED = 1, 2, 3


def load_messages(folder):
    """Makes the protocol's modules in that folder, and imports them."""
    if not (Path(folder) / "protocol_pb2.py").exists():
        names = [str(p) for p in sorted(PROTO.glob("*.proto"))]
        subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={folder}", *names], check=True)
    sys.path.insert(0, str(folder))
    import actor_pb2
    import protocol_pb2
    import state_pb2

    return actor_pb2, protocol_pb2, state_pb2


actor_pb2, protocol_pb2, state_pb2 = load_messages(os.environ["SPAWN_MESSAGES"])

from google.protobuf import symbol_database, wrappers_pb2  # noqa: E402


def pack(message):
    packed = Any()
    packed.Pack(message)
    return packed


def unpack(packed):
    """The message; a KeyError for a type that this program does not have."""
    name = packed.type_url.removeprefix("type.googleapis.com/")
    message = symbol_database.Default().GetSymbol(name)()
    message.ParseFromString(packed.value)
    return message


def text(value):
    return wrappers_pb2.StringValue(value=value)


def number(value):
    return wrappers_pb2.Int64Value(value=value)


class Value:
    """What an action gives back."""

    def __init__(self, reply=None, state=None, checkpoint=False):
        self.reply, self.state, self.checkpoint = reply, state, checkpoint
        self.effects, self.to_channel, self.piped, self.forwarded = [], None, None, None

    def effect(self, action, payload, actor, parent=None):
        self.effects.append((action, payload, actor, parent))
        return self

    def broadcast(self, channel, action, payload):
        self.to_channel = (channel, action, payload)
        return self

    def pipe(self, actor, action):
        self.piped = (actor, action)
        return self

    def forward(self, actor, action):
        self.forwarded = (actor, action)
        return self


class Actor:
    """A definition: `actions` and `timers` are functions of (payload or None, context)."""

    def __init__(self, name, kind=NAMED, stateful=True, channel=None, tags=None, snapshot_ms=2000,
                 deactivate_ms=30000):
        self.name, self.kind, self.stateful = name, kind, stateful
        self.channel, self.tags = channel, tags or {}
        self.snapshot_ms, self.deactivate_ms = snapshot_ms, deactivate_ms
        self.actions, self.timers = {}, {}

    def action(self, name):
        def add(function):
            self.actions[name] = function
            return function

        return add

    def timer(self, name, every_ms):
        def add(function):
            self.timers[name] = (every_ms, function)
            return function

        return add

    def fill(self, message, system):
        message.id.name, message.id.system = self.name, system
        message.state.CopyFrom(actor_pb2.ActorState())
        message.settings.kind = self.kind
        message.settings.stateful = self.stateful
        message.settings.snapshot_strategy.timeout.timeout = self.snapshot_ms
        message.settings.deactivation_strategy.timeout.timeout = self.deactivate_ms
        for key, value in self.tags.items():
            message.metadata.tags[key] = value
        if self.channel:
            message.metadata.channel_group = self.channel
        message.metadata.SetInParent()
        for name in self.actions:
            message.actions.add().name = name
        for name, (every_ms, _) in self.timers.items():
            timer = message.timer_actions.add()
            timer.seconds = every_ms
            timer.action.name = name


class Context:
    def __init__(self, message, invocation):
        self.state = unpack(message.state) if message.HasField("state") else None
        self.caller = invocation.caller.name
        self.self_name = message.self.name
        self.metadata, self.tags = dict(message.metadata), dict(message.tags)


class Proxy:
    """The SDK's client, which tries for long, and reads the body whatever the status says."""

    def __init__(self, host, port, tries=100):
        self.base = f"http://{host}:{port}"
        self.session = requests.Session()
        self.session.mount(
            "http://", HTTPAdapter(max_retries=Retry(total=tries, backoff_factor=0.2)))

    def post(self, path, message, answer):
        got = self.session.post(self.base + path, data=message.SerializeToString(), headers=OCTETS)
        answer.ParseFromString(got.content)
        return answer

    def register(self, system, actors):
        message = protocol_pb2.RegistrationRequest()
        info = message.service_info
        info.service_name = info.support_library_name = "spawn-python-sdk"
        info.service_version = info.support_library_version = "0.1.0"
        info.service_runtime = "Python"
        info.protocol_major_version = info.protocol_minor_version = 1
        message.actor_system.name = system
        for name, actor in actors.items():
            actor.fill(message.actor_system.registry.actors[name], system)
        return self.post("/api/v1/system", message, protocol_pb2.RegistrationResponse())

    def spawn(self, system, name, parent=None, revision=None):
        message = protocol_pb2.SpawnRequest()
        one = message.actors.add()
        one.name, one.system = name, system
        if parent is not None:
            one.parent = parent
        query = f"?revision={revision}" if revision else ""
        return self.post(f"/api/v1/system/{urllib.parse.quote(system)}/actors/spawn{query}",
                         message, protocol_pb2.SpawnResponse())

    def invoke(self, system, name, action, payload=None, is_async=False, pooled=False, more=None):
        """("ok", value or None), ("actor_not_found", None) or ("error", reason)."""
        answer = self.post(
            f"/api/v1/system/{urllib.parse.quote(system)}/actors/{urllib.parse.quote(name)}/invoke",
            invocation(system, name, action, payload, is_async, pooled, more),
            protocol_pb2.InvocationResponse())
        return result_of(answer)


def invocation(system, name, action, payload=None, is_async=False, pooled=False, more=None):
    message = protocol_pb2.InvocationRequest()
    message.system.name = system
    message.actor.id.name, message.actor.id.system = name, system
    message.action_name = action
    message.pooled = pooled
    setattr(message, "async", is_async)
    if payload is not None:
        message.value.CopyFrom(pack(payload))
    if more:
        more(message)
    return message


def result_of(answer):
    if answer.status.status == protocol_pb2.OK:
        empty = answer.WhichOneof("payload") == "noop"
        return "ok", None if empty else unpack(answer.value)
    if answer.status.status == protocol_pb2.ACTOR_NOT_FOUND:
        return "actor_not_found", None
    return "error", answer.status.message


class QuickClient:
    """One connection that is kept, for many calls."""

    def __init__(self, host, port):
        self.connection = http.client.HTTPConnection(host, port, timeout=120)

    def invoke(self, system, name, action, payload=None):
        body = invocation(system, name, action, payload).SerializeToString()
        self.connection.request("POST", f"/api/v1/system/{system}/actors/{name}/invoke", body,
                                OCTETS)
        answer = protocol_pb2.InvocationResponse()
        answer.ParseFromString(self.connection.getresponse().read())
        return result_of(answer)


class Actors:
    """The app's side of the protocol."""

    def __init__(self, system, actors, proxy=None):
        self.system, self.proxy = system, proxy
        self.actors = {a.name: a for a in actors}

    def answer(self, body):
        """The bytes of an answer; an exception is a page with status 500."""
        call = protocol_pb2.ActorInvocation()
        call.ParseFromString(body)
        if call.actor.system != self.system:
            raise ValueError(f"{call.actor.system} is not {self.system}")
        actor = self.actors[call.actor.parent or call.actor.name]
        function = actor.actions.get(call.action_name)
        if function is None:
            function = actor.timers[call.action_name][1]
        empty = call.WhichOneof("payload") == "noop"
        payload = None if empty else unpack(call.value)
        value = function(payload, Context(call.current_context, call))
        if not isinstance(value, Value):
            raise TypeError("an action gives back a Value")
        return self.message_of(value, call.actor.name).SerializeToString()

    def message_of(self, value, name):
        out = protocol_pb2.ActorInvocationResponse()
        out.actor_name, out.actor_system = name, self.system
        out.updated_context.SetInParent()
        if value.state is not None:
            out.updated_context.state.CopyFrom(pack(value.state))
        if value.reply is None:
            out.noop.SetInParent()
        else:
            out.value.CopyFrom(pack(value.reply))
        for action, payload, actor, parent in value.effects:
            if parent is not None:
                self.proxy.spawn(self.system, actor, parent)
            out.workflow.effects.add().request.CopyFrom(
                invocation(self.system, actor, action, payload, is_async=True))
        if value.to_channel is not None:
            channel, action, payload = value.to_channel
            out.workflow.broadcast.channel_group = channel
            out.workflow.broadcast.action_name = action
            out.workflow.broadcast.value.CopyFrom(pack(payload))
        if value.piped is not None:
            out.workflow.pipe.actor, out.workflow.pipe.action_name = value.piped
        if value.forwarded is not None:
            out.workflow.forward.actor, out.workflow.forward.action_name = value.forwarded
        out.checkpoint = value.checkpoint
        return out

    def flask(self):
        app = Flask("spawn_app")

        @app.post("/api/v1/actors/actions")
        def actions():
            return Response(self.answer(request.data), content_type="application/octet-stream")

        return app
