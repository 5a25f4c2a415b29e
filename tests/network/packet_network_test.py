"""The packet network does to packets what it is told, and nothing else."""

import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import packet_network  # noqa: E402

_missing = packet_network.why_not()

# Answers each datagram with the same bytes; says when it is there.
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 5000))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(2000); s.sendto(data, peer)
"""
# Sends `count` numbered datagrams, and prints what came back, in order of arrival, until nothing
# comes for `quiet` seconds or all `limit` seconds are over.
ASK = """
import socket, sys, time
host, count, quiet, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((host, 5000)); s.settimeout(quiet)
begin = time.monotonic()
for i in range(count): s.send(b"%d" % i)
got = []
try:
    while len(got) < 3 * count and time.monotonic() - begin < limit: got.append(int(s.recv(2000)))
except (TimeoutError, OSError): pass
print(*got)
"""


@unittest.skipIf(_missing, _missing)
class PacketNetworkTest(unittest.TestCase):
    def setUp(self):
        self.net = self.enterContext(packet_network.PacketNetwork(["a", "b"], seed=11))
        server = self.net.run("b", [sys.executable, "-c", ECHO, self.net.address("b")])
        self.assertEqual(server.stdout.readline(), "ready\n")

    def ask(self, count=50, quiet=2.0, limit=30.0):
        command = [sys.executable, "-c", ASK, self.net.address("b"), str(count), str(quiet),
                   str(limit)]
        out, _ = self.net.run("a", command).communicate(timeout=60)
        return [int(n) for n in out.split()]

    def test_a_perfect_link_passes_everything_in_order(self):
        self.assertEqual(self.ask(), list(range(50)))
        self.assertEqual(self.net.link("a", "b").lost, 0)

    def test_a_lossy_link_loses_about_what_it_is_told(self):
        self.net.link("a", "b").loss = 0.4
        self.ask(400)
        link = self.net.link("a", "b")
        self.assertAlmostEqual(link.lost / (link.lost + link.passed), 0.4, delta=0.12)

    def test_a_spread_of_delays_reorders_and_takes_its_time(self):
        self.net.link("a", "b").delay = (0.05, 0.25)
        begin = time.monotonic()
        got = self.ask(60)
        self.assertEqual(sorted(got), list(range(60)))
        self.assertNotEqual(got, sorted(got))
        self.assertGreater(time.monotonic() - begin, 0.2)

    def test_what_is_duplicated_comes_twice(self):
        self.net.link("b", "a").duplicate = 1.0
        self.assertEqual(sorted(self.ask(20)), sorted([*range(20), *range(20)]))

    def test_a_cut_is_one_way_and_heals(self):
        self.net.cut("b", "a")
        self.assertEqual(self.ask(5, 0.5), [])
        self.assertGreaterEqual(self.net.link("a", "b").passed, 5)
        self.net.heal()
        self.assertEqual(self.ask(5), list(range(5)))

    def test_a_device_that_is_down_passes_nothing_until_it_is_up(self):
        self.net.link_down("b")
        self.assertEqual(self.ask(5, 0.5), [])
        self.net.link_up("b")
        self.assertEqual(self.ask(5), list(range(5)))

    def test_a_rate_bounds_what_passes(self):
        self.net.link("a", "b").rate = 2000.0  # datagrams of some 30 bytes: about 66 a second
        got = self.ask(600, limit=3.0)
        self.assertTrue(60 <= len(got) <= 360, got)


if __name__ == "__main__":
    unittest.main()
