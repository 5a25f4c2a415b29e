"""Each flow of the protocol, between a real app and a real sidecar.

    flows_test.py <odeon> [unittest arguments]
"""

import json
import re
import socket
import sys
import tempfile
import unittest
from pathlib import Path

import programs
from programs import CountingApp, Sidecar, eventually, free_port
from spawn_app import OCTETS, Proxy, number, protocol_pb2, state_pb2, text, unpack

SYSTEM = "test-system"
_program = ""


class Flows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        port = free_port()
        cls.sidecar = Sidecar(_program, cls.folder.name, port, "--unix-socket",
                              cls.folder.name + "/s")
        cls.addClassCleanup(cls.sidecar.kill)
        cls.app = CountingApp(port, cls.sidecar)
        cls.addClassCleanup(cls.app.kill)
        cls.proxy = Proxy("127.0.0.1", cls.sidecar.port)

    def invoke(self, actor, action, payload=None, **more):
        status, value = self.proxy.invoke(SYSTEM, actor, action, payload, **more)
        return status, getattr(value, "value", value)

    def state(self, actor):
        status, body, _ = self.sidecar.request("GET", f"/api/v1/system/{SYSTEM}/actors/{actor}")
        if status == 404:
            return None
        self.assertEqual(status, 200, body)
        checkpoint = state_pb2.Checkpoint.FromString(body)
        return unpack(checkpoint.state.state).value

    # --- actors ---------------------------------------------------------------------------------

    def test_a_named_actor_is_made_at_its_registration_and_its_init_action_is_run(self):
        eventually(lambda: self.state("joe") is not None, "joe's state")
        self.assertEqual(self.invoke("joe", "get")[0], "ok")

    def test_an_unnamed_actor_is_made_under_the_name_that_was_spawned(self):
        for _ in range(2):  # again changes nothing
            self.assertEqual(self.proxy.spawn(SYSTEM, "eva", "abstract").status.status,
                             protocol_pb2.OK)
        self.assertEqual(self.invoke("eva", "add", number(3)), ("ok", 3))
        self.assertEqual(self.invoke("eva", "add", number(4)), ("ok", 7))
        who = json.loads(self.invoke("eva", "who")[1])
        self.assertEqual(who["self"], "eva")

    def test_a_pool_answers_under_one_name(self):
        for _ in range(20):
            self.assertEqual(self.invoke("workers", "who", pooled=True)[0], "ok")

    def test_a_stateless_actor_keeps_nothing(self):
        self.assertEqual(self.invoke("stateless", "who")[0], "ok")
        self.assertIsNone(self.state("stateless"))

    def test_actions_that_the_app_does_not_have_get_the_state_from_memory(self):
        self.proxy.spawn(SYSTEM, "gina", "abstract")
        self.assertEqual(self.invoke("gina", "add", number(9))[0], "ok")
        for action in ("get", "Get", "get_state", "getState", "GetState"):
            self.assertEqual(self.invoke("gina", action), ("ok", 9))
        self.assertEqual(self.state("gina"), 9)

    def test_an_actor_is_told_its_tags_and_its_caller(self):
        def by_ann(message):
            message.caller.name, message.caller.system = "ann", SYSTEM
            message.metadata["trace"] = "7"

        self.proxy.spawn(SYSTEM, "rita", "abstract")
        who = json.loads(self.invoke("rita", "who", more=by_ann)[1])
        self.assertEqual((who["caller"], who["metadata"]["trace"], who["empty"]),
                         ("ann", "7", True))

    # --- workflows ------------------------------------------------------------------------------

    def test_effects_spawn_their_actors_inside_the_action_and_run_after_it(self):
        self.proxy.spawn(SYSTEM, "mike", "abstract")
        before = self.invoke("mike", "get")[1] or 0
        self.assertEqual(self.invoke("joe", "effects"), ("ok", "told"))
        eventually(lambda: self.invoke("mike", "get")[1] == before + 12, "both effects")

    def test_a_broadcast_reaches_all_of_the_channel_and_its_sender(self):
        self.assertEqual(self.invoke("joe", "tell", text("hello")), ("ok", "told"))
        eventually(lambda: self.state("joe") == "heard hello", "the sender")
        eventually(lambda: self.state("ann") == "ann heard hello", "the other")

    def test_a_pipe_gives_its_answer_on_and_a_forward_its_request(self):
        before = self.invoke("sum", "add", number(0))[1]
        self.assertEqual(self.invoke("joe", "pipe", number(2)), ("ok", before + 20))
        self.assertEqual(self.invoke("joe", "forward", number(3)), ("ok", before + 23))

    def test_an_action_may_wait_for_another_actor(self):
        status, told = self.invoke("joe", "ask")
        self.assertEqual((status, told.split()[0]), ("ok", "ok"))

    def test_a_timer_runs_again_and_again(self):
        first = eventually(lambda: self.state("clock"), "a first tick")
        eventually(lambda: self.state("clock") > first + 2, "more ticks")

    def test_an_invocation_without_waiting_is_answered_at_once_and_runs_later(self):
        self.proxy.spawn(SYSTEM, "olga", "abstract")
        self.assertEqual(self.invoke("olga", "add", number(4), is_async=True), ("ok", None))
        eventually(lambda: self.invoke("olga", "get")[1] == 4, "the invocation")

    def test_an_invocation_for_a_past_time_runs_now(self):
        def long_ago(message):
            message.scheduled_to = 1

        self.proxy.spawn(SYSTEM, "paul", "abstract")
        self.assertEqual(self.invoke("paul", "add", number(4), more=long_ago), ("ok", None))
        eventually(lambda: self.invoke("paul", "get")[1] == 4, "the invocation")

    # --- what goes wrong ------------------------------------------------------------------------

    def test_a_failed_action_changes_no_state_and_says_what_the_app_says(self):
        self.proxy.spawn(SYSTEM, "vera", "abstract")
        self.assertEqual(self.invoke("vera", "add", number(5)), ("ok", 5))
        for action in ("fail", "nothing"):
            status, why = self.invoke("vera", action, number(1))
            self.assertEqual(status, "error")
            self.assertIn("500", why)
        self.assertEqual(self.invoke("vera", "get"), ("ok", 5))

    def test_unknown_actors_and_actions_are_named(self):
        self.assertEqual(self.invoke("nobody", "add", number(1)), ("actor_not_found", None))
        status, why = self.invoke("joe", "dance")
        self.assertEqual(status, "error")
        self.assertIn("dance", why)
        status, why = self.proxy.invoke("no-system", "joe", "state")
        self.assertIn(status, ("error", "actor_not_found"))

    def test_malformed_requests_are_told_in_the_protocols_own_terms(self):
        path = f"/api/v1/system/{SYSTEM}/actors/"
        for place, message in (("/api/v1/system", protocol_pb2.RegistrationResponse()),
                               (path + "spawn", protocol_pb2.SpawnResponse()),
                               (path + "joe/invoke", protocol_pb2.InvocationResponse())):
            status, body, headers = self.sidecar.request("POST", place, b"\xffno protobuf", OCTETS)
            self.assertEqual(status, 400)
            self.assertIn("application/octet-stream", headers["Content-Type"])
            message.ParseFromString(body)
            self.assertEqual(message.status.status, protocol_pb2.ERROR)
            self.assertIn("no ", message.status.message)
        status, _, _ = self.sidecar.request("POST", path + "spawn?revision=x", b"", OCTETS)
        self.assertEqual(status, 400)
        self.assertEqual(self.sidecar.request("POST", "/api/v1/nothing")[0], 404)
        self.assertEqual(self.sidecar.request("GET", "/api/v1/system")[0], 405)

    def test_a_registration_that_makes_no_sense_registers_nothing(self):
        message = protocol_pb2.RegistrationRequest()
        message.actor_system.name = SYSTEM
        actor = message.actor_system.registry.actors["odd"]
        actor.id.name, actor.id.system = "odd", SYSTEM
        actor.timer_actions.add().action.name = "hi"  # every 0 ms
        status, body, _ = self.sidecar.request("POST", "/api/v1/system",
                                               message.SerializeToString(), OCTETS)
        self.assertEqual(status, 400)
        self.assertIn("hi", protocol_pb2.RegistrationResponse.FromString(body).status.message)
        self.assertEqual(self.invoke("odd", "hi")[0], "actor_not_found")

    # --- the sidecar itself ---------------------------------------------------------------------

    def test_it_tells_its_health_and_its_figures(self):
        for path in ("/health", "/health/liveness", "/health/readiness"):
            self.assertEqual(self.sidecar.request("GET", path)[0], 200)
        before = self.sidecar.metric("invocations_total")
        self.invoke("joe", "state")
        status, body, headers = self.sidecar.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        for line in body.decode().splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) )?odeon_[a-z_]+(\{.*\})? \S")
        self.assertGreater(self.sidecar.metric("invocations_total"), before)

    def test_the_autoscaler_goes_by_figures_that_there_are(self):
        file = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes" / "activator.yaml"
        named = re.findall(r"metric: {name: (\w+)}", file.read_text())
        self.assertEqual(named, ["odeon_mailbox_oldest_seconds", "odeon_sidecar_activations"])
        text = self.sidecar.request("GET", "/metrics")[1].decode()
        for name in named:  # a counter's rate has no "_total" any more
            self.assertRegex(text, rf"(?m)^{name}(_total)? [0-9.]+$")

    def test_it_listens_on_a_unix_socket_too(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(re.search(r"unix:(\S+?),? ", self.sidecar.line)[1])
            s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200"))


if __name__ == "__main__":
    _program = sys.argv.pop(1)
    try:
        unittest.main(verbosity=2)
    finally:
        programs.clean_up()
