"""Two nodes in network namespaces, and a network between them that fails in every way it knows.

Whatever the network does: entries of one sender arrive in order and at most once; each ask ends in
a reply, an error or a timeout; each watcher is told once; memory stays bounded.

    remote_test.py <program of node.cpp> [unittest arguments]
"""

import os
import re
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import packet_network  # noqa: E402

_missing = packet_network.why_not()
_program = ""

PORT = 7400
SECRET = "a secret of the tests' own"
LIMITS = ["heartbeat=200", "silent_after=2000", "connect=2000", "backoff_most=500"]
PATIENCE = 120.0  # seconds that an answer may take


class Node:
    """A process of node.cpp on a host."""

    def __init__(self, net, host, *limits, secret=SECRET):
        self.host, self.where = host, f"{net.address(host)}:{PORT}"
        arguments = [_program, host, f"tcp://{self.where}", secret, *LIMITS, *limits]
        # The address sanitizer keeps what is freed: too much for a test that looks at memory.
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        self.process = net.run(host, arguments, env=os.environ | {"ASAN_OPTIONS": options})
        first = self.process.stdout.readline().strip()
        if first != f"ready {self.where}":
            raise AssertionError(f"{host} did not start: {first}")

    def begin(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def end(self):
        """The numbers of the answer to the oldest command that is not answered yet."""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.host} has ended with {self.process.wait()}")
        if not re.fullmatch(r"\w+( \d+)+\n", line):
            raise AssertionError(f"{self.host} says: {line}")
        return [int(n) for n in line.split()[1:]]

    def do(self, command):
        self.begin(command)
        return self.end()

    def kill(self):
        self.process.kill()
        self.process.wait()


def eventually(holds, what, limit=PATIENCE):
    deadline = time.monotonic() + limit
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.05)


def with_limits(*limits):
    """The nodes of this test have these limits as well."""

    def mark(test):
        test.limits = limits
        return test

    return mark


@unittest.skipIf(_missing, _missing)
class RemoteTest(unittest.TestCase):
    def setUp(self):
        self.net = self.enterContext(packet_network.PacketNetwork(["a", "b"], seed=5))
        limits = getattr(getattr(self, self._testMethodName), "limits", ())
        self.a, self.b = Node(self.net, "a", *limits), Node(self.net, "b", *limits)

    def trouble(self, **faults):
        """The same faults both ways."""
        for pair in (("a", "b"), ("b", "a")):
            for name, value in faults.items():
                setattr(self.net.link(*pair), name, value)

    def entries(self):
        """How many b's ledger has; none of them out of order."""
        count, disorder, _, _ = self.b.do("report")
        self.assertEqual(disorder, 0)
        return count

    # No silence that chance makes is long enough to be taken for a peer that is gone.
    @with_limits("silent_after=60000")
    def test_loss_delay_reordering_and_duplicates_change_nothing(self):
        self.a.do(f"tell {self.b.where} 1 0")
        self.trouble(loss=0.05, delay=(0.001, 0.015), duplicate=0.05, corrupt=0.01)
        accepted, refused = self.a.do(f"tell {self.b.where} 2000 200")
        self.assertEqual((accepted, refused), (2000, 0))
        replies, timeouts, failed, wrong = self.a.do(f"ask {self.b.where} 60 20000")
        self.assertEqual((replies, timeouts, failed, wrong), (60, 0, 0, 0))
        eventually(lambda: self.entries() == 2001, "all entries have arrived")

    def test_heavy_loss_may_break_connections_and_still_keeps_order(self):
        self.trouble(loss=0.2, delay=(0.0, 0.02))
        accepted, _ = self.a.do(f"tell {self.b.where} 2000 300")
        answers = self.a.do(f"ask {self.b.where} 30 3000")
        self.assertEqual(sum(answers[:3]), 30)
        self.assertEqual(answers[3], 0)
        self.net.heal()
        self.assertEqual(self.a.do(f"ask {self.b.where} 20 20000")[0], 20)
        self.assertLessEqual(self.entries(), accepted)

    def test_a_one_way_partition_ends_asks_and_heals(self):
        for sender, receiver in (("a", "b"), ("b", "a")):
            with self.subTest(cut=f"{sender} to {receiver}"):
                self.assertEqual(self.a.do(f"ask {self.b.where} 5 5000")[0], 5)
                self.net.cut(sender, receiver)
                replies, timeouts, failed, wrong = self.a.do(f"ask {self.b.where} 10 500")
                self.assertEqual((replies, timeouts + failed, wrong), (0, 10, 0))
                self.net.heal()
                again = f"ask {self.b.where} 5 5000"
                eventually(lambda: self.a.do(again)[0] == 5, "asks are answered again")
        self.entries()

    def test_every_watcher_is_told_once_though_the_link_flaps(self):
        self.assertEqual(self.a.do(f"watch {self.b.where} 300"), [300])
        self.a.begin(f"tell {self.b.where} 3000 500")
        for i in range(4):
            time.sleep(0.2)
            if i == 1:
                self.b.begin("slay")
            self.net.partition("a", "b")
            time.sleep(0.6)
            self.net.heal()
            self.net.link_down("b")
            time.sleep(0.1)
            self.net.link_up("b")
        self.a.end()
        self.assertEqual(self.b.end(), [300])
        eventually(lambda: self.a.do("watched")[0] == 300, "all ends were told")
        self.assertEqual(self.a.do("watched"), [300, 0, 0, 0])
        self.entries()

    def test_control_messages_survive_a_partition_longer_than_the_detector_waits(self):
        self.assertEqual(self.a.do(f"watch {self.b.where} 100"), [100])
        self.net.partition("a", "b")
        self.assertEqual(self.b.do("slay"), [100])
        time.sleep(4)  # both sides have closed the connection by then
        self.assertEqual(self.a.do("watched"), [0, 0, 0, 100])
        self.net.heal()
        eventually(lambda: self.a.do("watched")[0] == 100, "all ends were told")
        self.assertEqual(self.a.do("watched"), [100, 0, 0, 0])

    def test_a_peer_that_is_killed_and_comes_back_is_another(self):
        self.assertEqual(self.a.do(f"watch {self.b.where} 50"), [50])
        self.assertEqual(self.a.do(f"ask {self.b.where} 5 5000")[0], 5)
        self.b.kill()
        self.b = Node(self.net, "b")
        self.assertEqual(sum(self.a.do(f"ask {self.b.where} 3 1000")[:3]), 3)
        eventually(lambda: self.a.do("watched")[0] == 50, "watchers were told of the old one's end")
        self.assertEqual(self.a.do("watched"), [50, 0, 50, 0])
        # What was found before is gone; another look finds the new one.
        self.assertEqual(self.a.do(f"watch {self.b.where} 5"), [5])

    def test_a_link_that_is_too_slow_costs_no_memory(self):
        self.a.do(f"tell {self.b.where} 1 0")
        before = self.a.do("report")[3]
        self.trouble(rate=200_000.0)
        accepted, refused = self.a.do(f"tell {self.b.where} 200000 0")  # 200 MB
        after = self.a.do("report")[3]
        self.assertGreater(refused, 100_000)
        self.assertLess(after - before, 96_000, "kB more than before")
        self.net.heal()
        eventually(lambda: self.entries() > accepted // 2, "the rest has arrived")
        self.assertEqual(self.a.do(f"ask {self.b.where} 5 20000")[0], 5)


if __name__ == "__main__":
    _program = sys.argv.pop(1)
    unittest.main()
