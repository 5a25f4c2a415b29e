"""Apps that do everything wrong, one connection at a time: part of survival_test.py."""

import random
import socket
import tempfile
import threading
import unittest

import programs
from programs import Sidecar, eventually
from spawn_app import (NAMED, POOLED, UNNAMED, Actor, Proxy, number, pack, protocol_pb2, requests,
                       unpack)

SYSTEM = "test-system"


def good(call, value=None):
    """The answer of an action that adds what it is given to its state."""
    out = protocol_pb2.ActorInvocationResponse()
    out.actor_name, out.actor_system = call.actor.name, SYSTEM
    had = unpack(call.current_context.state).value if call.current_context.HasField("state") else 0
    given = unpack(call.value).value if call.WhichOneof("payload") == "value" else 0
    out.updated_context.state.CopyFrom(pack(number(had + given)))
    out.value.CopyFrom(pack(number(had + given if value is None else value)))
    return out


def http(body, status="200 OK", more=""):
    if not isinstance(body, bytes):
        body = body.SerializeToString()
    return (f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n").encode() + body


class RawApp:
    """Calls are answered by `answers[action]`, a function of (socket, call); else by `good`."""

    def __init__(self, host="127.0.0.1", port=0):
        self.listener = socket.create_server((host, port), backlog=200)
        self.port = self.listener.getsockname()[1]
        self.answers, self.open, self.calls = {}, set(), []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.open.add(one)
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        stream = one.makefile("rb")
        try:
            while True:
                size = 0
                while (line := stream.readline()).strip():
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                if not line:
                    break
                call = protocol_pb2.ActorInvocation.FromString(stream.read(size))
                self.calls.append(call.action_name)
                self.answers.get(call.action_name, lambda s, c: s.sendall(http(good(c))))(one, call)
        except (OSError, ValueError):
            pass
        finally:
            stream.close()
            one.close()
            self.open.discard(one)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in list(self.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def said(data):
    return lambda one, call: one.sendall(data(call) if callable(data) else data)


class Attacks(unittest.TestCase):
    program = ""

    def start(self, *options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.app = RawApp()
        self.addCleanup(lambda: self.app.close())
        self.sidecar = Sidecar(self.program, folder.name, self.app.port, *options)
        self.addCleanup(self.sidecar.kill)
        self.proxy = self.client()
        self.definitions = [self.actor("sum"), self.actor("other"), self.actor("child", UNNAMED)]
        self.assertEqual(self.register().status.status, protocol_pb2.OK)

    def client(self, tries=100):
        out = Proxy("127.0.0.1", self.sidecar.port, tries)
        self.addCleanup(out.session.close)
        return out

    @staticmethod
    def actor(name, kind=NAMED, actions=("add", "bad"), **more):
        out = Actor(name, kind=kind, **more)
        for one in actions:
            out.actions[one] = None
        return out

    def register(self, definitions=None, proxy=None):
        all_of_them = self.definitions if definitions is None else definitions
        return (proxy or self.proxy).register(SYSTEM, {a.name: a for a in all_of_them})

    def invoke(self, actor, action, payload=None, **more):
        status, value = self.proxy.invoke(SYSTEM, actor, action, payload, **more)
        return status, getattr(value, "value", value)

    def test_what_is_no_answer_is_an_error_at_once_and_changes_no_state(self):
        self.start()
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))
        other = good(protocol_pb2.ActorInvocation())
        other.actor_name = "other"
        many = protocol_pb2.ActorInvocationResponse(actor_name="sum", actor_system=SYSTEM)
        for _ in range(10_001):
            many.workflow.effects.add().request.action_name = "add"
        cases = {
            "500": http(b"<h1>boom</h1>", "500 Internal Server Error"),
            "404": http(b"", "404 Not Found"),
            "a redirection": http(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
            "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
            "an empty page": http(b""),
            "a page of HTML": http(b"<html>fine</html>", more="Content-Type: text/html\r\n"),
            "no protobuf": http(b"\xff" * 1000),
            "another actor's": http(other),
            "too many effects": http(many),
            "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
            "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "no HTTP": b"\x00\x01\x02garbage\r\n\r\n" * 100,
            "a body past the bound": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "a head past the bound": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
        }
        for name, data in cases.items():
            with self.subTest(name):
                self.app.answers["bad"] = said(data)
                status, why = self.invoke("sum", "bad", number(1))
                self.assertEqual(status, "error")
                self.assertTrue(why)
                self.assertEqual(self.app.calls.count("bad"), 1, why)
                self.app.calls.clear()
                self.assertEqual(self.invoke("sum", "get"), ("ok", 5))

    def test_an_answer_without_an_end_is_cut_at_its_bound(self):
        self.start()

        def without_end(one, call):
            one.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
            while True:
                one.sendall(chunk)

        self.app.answers["bad"] = without_end
        self.assertEqual(self.invoke("sum", "bad", number(1))[0], "error")
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))

    def test_odd_answers_that_are_good_are_taken(self):
        self.start()
        cases = {
            "another content type": lambda c: http(good(c), more="Content-Type: text/html\r\n"),
            "a continuation first": lambda c: b"HTTP/1.1 100 Continue\r\n\r\n" + http(good(c)),
            "until the end": lambda c: (b"HTTP/1.0 200 OK\r\n\r\n" + good(c).SerializeToString()),
            "chunks": lambda c: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
                b"1\r\n%c\r\n" % b for b in good(c).SerializeToString()) + b"0\r\n\r\n",
        }
        for n, (name, data) in enumerate(cases.items(), 1):
            with self.subTest(name):
                def answer(one, call, data=data, ends=name == "until the end"):
                    one.sendall(data(call))
                    if ends:
                        one.shutdown(socket.SHUT_WR)

                self.app.answers["bad"] = answer
                self.assertEqual(self.invoke("sum", "bad", number(1)), ("ok", n))

    def test_an_app_that_breaks_off_before_its_answer_is_asked_again_and_counts_once(self):
        self.start()
        for n, name in enumerate(("nothing", "busy"), 1):
            with self.subTest(name):
                left = [2]

                def answer(one, call, busy=name == "busy"):
                    left[0] -= 1
                    if left[0] < 0:
                        one.sendall(http(good(call)))
                    elif busy:
                        one.sendall(http(b"later", "503 Service Unavailable"))
                    else:
                        one.shutdown(socket.SHUT_RDWR)

                self.app.answers["bad"] = answer
                self.assertEqual(self.invoke("sum", "bad", number(1)), ("ok", n))
                self.assertLess(left[0], 0)

    def test_an_answer_that_breaks_off_is_an_error_and_changes_no_state(self):
        self.start()
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))
        for data in (lambda c: b"HTTP/1.1 200 OK\r\nContent-Le", lambda c: http(good(c))[:-3]):
            def answer(one, call, data=data):
                one.sendall(data(call))
                one.shutdown(socket.SHUT_RDWR)

            self.app.answers["bad"] = answer
            self.assertEqual(self.invoke("sum", "bad", number(1))[0], "error")
            self.assertEqual(self.invoke("sum", "get"), ("ok", 5))

    def test_trickling_and_late_answers_are_dropped_at_the_requests_time(self):
        self.start("--set", "sidecar.request_time=2s")
        ended = threading.Event()
        self.addCleanup(ended.set)

        def trickle(one, call):
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.05):
                one.sendall(b"x")

        def late(one, call):
            ended.wait(programs.PATIENCE)
            one.sendall(http(good(call, value=-1)))

        for answer in (trickle, late):
            ended.clear()
            self.app.answers["bad"] = answer
            self.assertEqual(self.invoke("sum", "bad", number(100))[0], "error")
            ended.set()
            # A busy machine may be slower than the short time of this test.
            eventually(lambda: self.invoke("sum", "get")[0] == "ok", "the next action")
            self.assertNotIn(self.invoke("sum", "get"), (("ok", -1), ("ok", 100)))

    def test_an_app_may_register_again_in_the_middle_of_its_action(self):
        self.start()
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))

        def registers(one, call):
            self.register()
            one.sendall(http(good(call)))

        def forgets(one, call):
            self.register([self.actor("other")])
            one.sendall(http(b"", "500 Internal Server Error"))

        self.app.answers["bad"] = registers
        self.assertEqual(self.invoke("sum", "bad", number(2)), ("ok", 7))
        self.app.answers["bad"] = forgets
        self.assertEqual(self.invoke("sum", "bad", number(2))[0], "error")
        self.assertEqual(self.invoke("sum", "add", number(1))[0], "actor_not_found")
        self.register()
        self.assertEqual(self.invoke("sum", "add", number(1)), ("ok", 8))

    def test_two_apps_of_one_system_keep_their_own_actors_over_a_restart(self):
        self.start("--app-host", "peer")
        second = RawApp("127.0.0.2", self.app.port)
        self.addCleanup(second.close)
        second.answers["add"] = said(lambda c: http(good(c, value=2)))
        proxy = self.client()
        adapter = proxy.session.get_adapter("http://127.0.0.1")
        adapter.init_poolmanager(10, 10, source_address=("127.0.0.2", 0))
        self.assertEqual(self.register([self.actor("two")], proxy).status.status, protocol_pb2.OK)
        for _ in range(2):
            self.assertEqual(self.invoke("sum", "add", number(0)), ("ok", 0))
            self.assertEqual(self.invoke("two", "add", number(0)), ("ok", 2))
            self.sidecar.kill()
            self.sidecar.start()

    def test_a_spawn_that_was_answered_outlives_a_kill_right_after(self):
        self.start()
        for n in range(10):
            self.assertEqual(self.proxy.spawn(SYSTEM, f"c{n}", "child").status.status,
                             protocol_pb2.OK)
            self.sidecar.kill()
            self.sidecar.start()
            self.assertEqual(self.invoke(f"c{n}", "add", number(n)), ("ok", n))

    def test_what_a_kill_loses_without_a_checkpoint_is_an_end_and_no_more(self):
        self.start()
        self.register([self.actor("sum", snapshot_ms=50)])
        chance, base = random.Random(7), 0
        for _ in range(5):
            count = chance.randrange(1, 40)
            for n in range(count):
                self.assertEqual(self.invoke("sum", "add", number(1)), ("ok", base + n + 1))
            eventually(lambda: self.sidecar.metric("snapshots_total") > 0, "a snapshot")
            self.sidecar.kill()
            self.sidecar.start()
            found = self.invoke("sum", "get")[1]
            self.assertTrue(base < found <= base + count, (base, found, count))
            base = found

    def test_a_revision_that_does_not_exist_is_told_once(self):
        self.start()
        self.assertEqual(self.proxy.spawn(SYSTEM, "c", "child", 7).status.status, protocol_pb2.OK)
        status, why = self.invoke("c", "add", number(1))
        self.assertEqual(status, "error")
        self.assertIn("revision 7", why)
        self.assertEqual(self.invoke("c", "add", number(1)), ("ok", 1))

    def test_pools_that_make_no_sense_are_refused(self):
        self.start()
        for least, most in ((3, 2), (2_000_000_000, 0), (1, 2_000_000_000), (-1, 2)):
            pool = self.actor("pool", POOLED, stateful=False)
            fill = pool.fill

            def with_sizes(message, system, least=least, most=most, fill=fill):
                fill(message, system)
                message.settings.min_pool_size = least
                message.settings.max_pool_size = most

            pool.fill = with_sizes
            answer = self.register([pool])
            self.assertEqual(answer.status.status, protocol_pb2.ERROR)
            self.assertIn("pool", answer.status.message)
        self.assertEqual(self.invoke("pool", "add", number(1))[0], "actor_not_found")

    def test_spawns_and_calls_may_nest_twenty_deep(self):
        self.start()

        def deeper(one, call):
            left = unpack(call.value).value
            if left == 0:
                return one.sendall(http(good(call, value=0)))
            proxy = self.client()
            proxy.spawn(SYSTEM, f"deep{left}", "child")
            status, value = proxy.invoke(SYSTEM, f"deep{left}", "bad", number(left - 1))
            one.sendall(http(good(call, value=value.value + 1 if status == "ok" else -1000)))

        self.app.answers["bad"] = deeper
        self.assertEqual(self.invoke("sum", "bad", number(20)), ("ok", 20))

    def test_an_action_that_waits_for_its_own_actor_is_told_the_circle(self):
        self.start()
        heard = []

        def itself(one, call):
            def by_itself(message):
                message.caller.CopyFrom(call.actor)

            through = unpack(call.value).value
            target = "sum" if through != 1 else "other"
            status, why = self.client().invoke(
                SYSTEM, target, "bad", number(through - 1), more=by_itself)
            heard.append((status, why))
            one.sendall(http(good(call)))

        self.app.answers["bad"] = itself
        self.assertEqual(self.invoke("sum", "bad", number(0))[0], "ok")
        self.assertEqual(heard[0][0], "error")
        self.assertIn("test-system/sum → test-system/sum", heard[0][1])
        heard.clear()
        self.assertEqual(self.invoke("sum", "bad", number(1))[0], "ok")
        self.assertIn("test-system/other → test-system/sum → test-system/other", heard[0][1])

    def test_a_circle_that_nobody_can_see_ends_at_the_requests_time(self):
        self.start("--set", "sidecar.request_time=2s")

        def itself(one, call):
            try:
                self.client(0).invoke(SYSTEM, "sum", "bad", number(0))
                one.sendall(http(good(call)))
            except requests.RequestException:
                pass

        self.app.answers["bad"] = itself
        self.assertEqual(self.invoke("sum", "bad", number(0))[0], "error")
        self.app.answers.clear()
        eventually(lambda: self.invoke("sum", "add", number(0))[0] == "ok", "the next action")
