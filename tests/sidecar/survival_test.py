"""States that survive: apps and sidecars that are killed, hang and answer garbage.

    survival_test.py <odeon> [unittest arguments]

ODEON_SIDECAR_SEED and ODEON_SIDECAR_KILLS make other and longer runs.
"""

import json
import os
import random
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import programs
from attacks import Attacks
from programs import CountingApp, Sidecar, eventually, free_port
from spawn_app import Proxy, QuickClient, number, protocol_pb2, requests, text

SYSTEM = "test-system"
ACTORS = 10_000
_program = ""


class Survival(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *options, app=()):
        port = free_port()
        self.sidecar = Sidecar(_program, self.folder, port, *options)
        self.addCleanup(self.sidecar.kill)
        self.app = CountingApp(port, self.sidecar, *app)
        self.addCleanup(self.app.kill)
        self.proxy = Proxy("127.0.0.1", self.sidecar.port)

    def invoke(self, actor, action, payload=None):
        status, value = self.proxy.invoke(SYSTEM, actor, action, payload)
        return status, getattr(value, "value", value)

    def test_an_app_that_starts_again_finds_its_actors_as_they_were(self):
        self.start()
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))
        pid = json.loads(self.invoke("sum", "who")[1])["pid"]
        self.app.kill()
        self.app.start()
        self.assertEqual(self.invoke("sum", "add", number(6)), ("ok", 11))
        self.assertNotEqual(json.loads(self.invoke("sum", "who")[1])["pid"], pid)

    def test_a_sidecar_that_is_killed_alone_finds_its_apps_and_runs_their_timers(self):
        self.start()
        self.assertEqual(self.invoke("sum", "save", number(5)), ("ok", 5))
        self.sidecar.kill()
        self.sidecar.start()
        self.assertEqual(self.invoke("sum", "get"), ("ok", 5))
        self.assertEqual(self.sidecar.metric("registrations_total"), 0)
        eventually(lambda: self.sidecar.metric("timers_total") > 2, "timers")

    def test_a_request_waits_for_an_app_that_is_down(self):
        self.start()
        self.app.kill()
        with ThreadPoolExecutor(1) as other:
            waits = other.submit(self.invoke, "sum", "add", number(5))
            eventually(lambda: self.sidecar.metric("app_retries_total") > 0, "a retry")
            self.app.start()
            self.assertEqual(waits.result(programs.PATIENCE), ("ok", 5))

    def test_a_sidecar_that_is_told_to_end_stores_all_states(self):
        self.start()
        for n in range(50):
            self.proxy.spawn(SYSTEM, f"a{n}", "abstract")
            self.assertEqual(self.invoke(f"a{n}", "add", number(n)), ("ok", n))
        self.assertEqual(self.sidecar.end(), 0)
        self.sidecar.start()
        for n in range(50):
            self.proxy.spawn(SYSTEM, f"a{n}", "abstract")
            self.assertEqual(self.invoke(f"a{n}", "get"), ("ok", n))

    def test_a_state_is_restored_at_the_revision_that_is_asked_for(self):
        self.start()
        self.proxy.spawn(SYSTEM, "rev", "abstract")
        for n in range(4):
            self.assertEqual(self.invoke("rev", "save", number(1)), ("ok", n + 1))
        for revision, state in ((2, 2), (0, 4)):
            self.sidecar.kill()
            self.sidecar.start()
            self.proxy.spawn(SYSTEM, "rev", "abstract", revision)
            self.assertEqual(self.invoke("rev", "get"), ("ok", state))

    def test_an_app_that_hangs_is_given_up_and_others_go_on(self):
        self.start("--set", "sidecar.request_time=3s")
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))
        self.assertEqual(self.invoke("sum", "hang")[0], "error")
        eventually(lambda: self.invoke("sum", "get") == ("ok", 5), "the actor's next action")
        self.proxy.spawn(SYSTEM, "other", "abstract")
        self.assertEqual(self.invoke("other", "add", number(1)), ("ok", 1))

    def test_an_app_that_crashes_in_an_action_changes_no_state(self):
        self.start("--set", "sidecar.request_time=3s")
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))
        self.assertEqual(self.invoke("sum", "crash")[0], "error")
        self.app.process.wait()
        self.app.kill()
        self.app.start()
        eventually(lambda: self.invoke("sum", "get") == ("ok", 5), "the state")
        eventually(lambda: self.invoke("sum", "add", number(1)) == ("ok", 6), "the next action")

    def test_garbage_is_an_error_and_no_state(self):
        self.start()
        self.assertEqual(self.invoke("sum", "add", number(5)), ("ok", 5))
        self.app.kill()
        garbage = [b"", b"ok", b"\xff" * 100, os.urandom(1000), b"<html>fine</html>",
                   b"\x0a\x03joe"]
        random.seed(1)
        garbage += [random.randbytes(random.randrange(200)) for _ in range(100)]
        for body in garbage:
            with OneAnswer(self.app.port, body):
                self.assertEqual(self.invoke("sum", "add", number(1))[0], "error", body)
        self.assertEqual(self.invoke("sum", "get"), ("ok", 5))

    def test_ten_thousand_actors_are_put_away_and_come_back_with_their_states(self):
        self.start(app=("--quick", "--deactivate-ms", "300"))
        self.each_actor(lambda client, n: client.invoke(SYSTEM, f"n{n}", "add", number(n)), 0)
        eventually(lambda: self.sidecar.metric("deactivations_total") >= ACTORS, "all put away")
        self.each_actor(lambda client, n: client.invoke(SYSTEM, f"n{n}", "add", number(1)), 1)

    def each_actor(self, call, more):
        """The state of actor n is n + more afterwards; by several clients."""
        clients = 32
        if not more:
            message = protocol_pb2.SpawnRequest()
            for n in range(ACTORS):
                message.actors.add(name=f"n{n}", system=SYSTEM, parent="abstract")
            answer = self.proxy.post(f"/api/v1/system/{SYSTEM}/actors/spawn", message,
                                     protocol_pb2.SpawnResponse())
            self.assertEqual(answer.status.status, protocol_pb2.OK, answer.status.message)

        def some(k):
            client = QuickClient("127.0.0.1", self.sidecar.port)
            for n in range(k, ACTORS, clients):
                status, value = call(client, n)
                if status != "ok" or value.value != n + more:
                    return f"actor {n}: {status} {value}"
            return None

        with ThreadPoolExecutor(clients) as threads:
            self.assertEqual([r for r in threads.map(some, range(clients)) if r], [])

    def test_no_checkpoint_is_lost_and_no_action_counts_twice_over_kills(self):
        seed = int(os.environ.get("ODEON_SIDECAR_SEED", random.randrange(1 << 30)))
        kills = int(os.environ.get("ODEON_SIDECAR_KILLS", 8))
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        self.start("--set", "sidecar.request_time=20s", app=("--quick",))
        operations = Operations(self.sidecar.port)
        for _ in range(kills):
            target = operations.done + chance.randrange(5, 60)
            eventually(lambda: operations.done >= target, "operations")
            who = chance.choice(("app", "sidecar", "both"))
            for name in ("app", "sidecar"):
                if who in (name, "both"):
                    getattr(self, name).kill()
            if who != "app":
                self.sidecar.start()  # it remembers who had registered
            if who != "sidecar":
                self.app.start()
        target = operations.done + 20
        eventually(lambda: operations.done >= target, "operations after the last kill")
        kept, doubtful = operations.end()
        status, value = self.invoke("ledger", "get")
        self.assertEqual(status, "ok")
        found = json.loads(value)
        self.assertEqual(len(found), len(set(found)), "an operation counts twice")
        self.assertEqual(found, [o for o in kept if o in set(found)], "the order")
        lost = [o for o in kept if o not in set(found) and o not in doubtful]
        self.assertEqual(lost, [], "acknowledged operations that are gone")


class OneAnswer:
    """An app that answers everything with these bytes."""

    def __init__(self, port, body):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Operations:
    """Puts one operation after the other into the ledger, and keeps what it was told."""

    def __init__(self, port):
        self.proxy = Proxy("127.0.0.1", port)
        self.sent, self.doubtful, self.done, self.stop = [], set(), 0, False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        k = 0
        while not self.stop:
            k += 1
            name = f"op{k}"
            self.sent.append(name)
            try:
                status, _ = self.proxy.invoke(SYSTEM, "ledger", "put", text(name))
            except requests.RequestException:
                status = "unknown"
            if status == "ok":
                self.done += 1
            else:
                self.doubtful.add(name)  # it may have been stored before its answer was lost

    def end(self):
        self.stop = True
        self.thread.join(programs.PATIENCE)
        return self.sent, self.doubtful


if __name__ == "__main__":
    _program = Attacks.program = sys.argv.pop(1)
    try:
        unittest.main(verbosity=2)
    finally:
        programs.clean_up()
