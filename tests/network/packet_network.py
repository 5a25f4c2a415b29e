"""A network of hosts on one machine, whose links lose, delay, reorder and cut packets as told.

Each host is a network namespace with one TUN device. The far ends of all devices are held by one
thread of this process, the router: it reads IP packets, asks the link's `Faults` what becomes of
each, and writes it to the device of the host whose address it has. So it needs no `tc netem`, which
many kernels lack, and every fault can be changed while connections are open.

    with PacketNetwork(["a", "b"], seed=7) as net:
        server = net.run("b", ["./server", "--listen", f"{net.address('b')}:7400"])
        net.link("a", "b").loss = 0.2                 # what a sends to b
        net.link("b", "a").delay = (0.005, 0.050)     # seconds, uniform: some overtake others
        net.cut("a", "b")                             # one way; net.partition("a", "b") is both

Needs Linux, root (for namespaces and devices), and `ip`; `why_not()` says what is missing. What is
random comes from the seed; the times at which packets come do not, so runs differ in detail.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PACKET_MAX = 65_536
QUEUE_MAX = 20_000  # packets that wait on one link; more are lost, as in a router


def why_not() -> str | None:
    """Why there can be no network here; None when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "there is no `ip` (package iproute2)"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    probe = f"odeon-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespaces: {made.stderr.strip()}"
    try:
        os.close(_device_in(probe, "t0"))
    except OSError as e:
        return f"no TUN device in a namespace: {e}"
    finally:
        subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)
    return None


@dataclass
class Faults:
    """What happens to the packets of one direction of a link."""

    loss: float = 0.0  # 0 to 1, of each packet
    duplicate: float = 0.0  # 0 to 1: it comes twice
    delay: tuple[float, float] = (0.0, 0.0)  # seconds, uniform; a spread reorders
    corrupt: float = 0.0  # 0 to 1: one bit of it is flipped
    rate: float = 0.0  # bytes a second; 0: no bound
    cut: bool = False

    # What was done so far.
    passed: int = field(default=0, repr=False)
    lost: int = field(default=0, repr=False)
    _free_at: float = field(default=0.0, repr=False)


def _device_in(namespace: str, name: str) -> int:
    """Makes a TUN device in a namespace and returns its descriptor; this thread stays outside."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            request = struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI)
            try:
                fcntl.ioctl(fd, _TUNSETIFF, request)
            except OSError:
                os.close(fd)
                raise
            return fd
        finally:
            if libc.setns(here, _CLONE_NEWNET) != 0:
                os._exit(70)  # nothing could be trusted after that
    finally:
        os.close(here)
        os.close(there)


class PacketNetwork:
    """Hosts in one subnet, 10.77.<n>.0/24, each pair with its own two links."""

    def __init__(self, hosts: list[str], seed: int = 1, subnet: int | None = None) -> None:
        self._subnet = subnet if subnet is not None else os.getpid() % 250 + 1
        self._names = {h: f"odeon-{os.getpid()}-{h}" for h in hosts}
        self._number = {h: i + 1 for i, h in enumerate(hosts)}
        self._random = random.Random(seed)
        self._links = {(a, b): Faults() for a in hosts for b in hosts if a != b}
        self._devices: dict[str, int] = {}
        self._processes: list[subprocess.Popen] = []
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._ending = False
        self._thread = threading.Thread(target=self._route, name="router", daemon=True)

    def __enter__(self) -> PacketNetwork:
        try:
            for host, namespace in self._names.items():
                self._ip("netns", "add", namespace)
                self._devices[host] = _device_in(namespace, "t0")
                inside = ["-n", namespace]
                self._ip(*inside, "link", "set", "lo", "up")
                self._ip(*inside, "addr", "add", f"{self.address(host)}/24", "dev", "t0")
                self._ip(*inside, "link", "set", "t0", "up", "mtu", "1500")
        except BaseException:
            self._remove()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for p in self._processes:
            if p.poll() is None:
                p.kill()
        for p in self._processes:
            p.wait()
            for stream in (p.stdin, p.stdout, p.stderr):
                if stream:
                    stream.close()
        self._ending = True
        os.write(self._wake[1], b"x")
        self._thread.join()
        self._remove()

    # -- what a test does --------------------------------------------------------------------------

    def address(self, host: str) -> str:
        """The host's IPv4 address."""
        return f"10.77.{self._subnet}.{self._number[host]}"

    def link(self, sender: str, receiver: str) -> Faults:
        """The faults of what `sender` sends to `receiver`; to be changed at any time."""
        return self._links[sender, receiver]

    def cut(self, sender: str, receiver: str) -> None:
        """Nothing of `sender` arrives at `receiver` from now on; the other way is as it was."""
        self.link(sender, receiver).cut = True

    def partition(self, a: str, b: str) -> None:
        """Nothing passes between the two, either way."""
        self.cut(a, b)
        self.cut(b, a)

    def heal(self) -> None:
        """All links are perfect again; what was delayed still comes late."""
        for faults in self._links.values():
            faults.loss = faults.duplicate = faults.corrupt = faults.rate = 0.0
            faults.delay = (0.0, 0.0)
            faults.cut = False

    def link_down(self, host: str) -> None:
        """The host's device goes down: its programs see their network unreachable at once."""
        self._ip("-n", self._names[host], "link", "set", "t0", "down")

    def link_up(self, host: str) -> None:
        """And up again, with the same address."""
        self._ip("-n", self._names[host], "link", "set", "t0", "up")

    def run(self, host: str, command: list[str], **options: object) -> subprocess.Popen:
        """Starts a program on that host, with pipes of text. Killed at the end."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        p = subprocess.Popen(
            ["ip", "netns", "exec", self._names[host], *command], **(streams | options)
        )
        self._processes.append(p)
        return p

    # -- the router --------------------------------------------------------------------------------

    def _route(self) -> None:
        host_of_fd = {fd: host for host, fd in self._devices.items()}
        host_of_address = {bytes(map(int, self.address(h).split("."))): h for h in self._names}
        waiting: list[tuple[float, int, str, str, bytes]] = []  # due, order, from, to, packet
        on_link = dict.fromkeys(self._links, 0)
        order = 0
        poll = select.poll()
        for fd in (*host_of_fd, self._wake[0]):
            poll.register(fd, select.POLLIN)
        while not self._ending:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, sender, receiver, packet = heapq.heappop(waiting)
                on_link[sender, receiver] -= 1
                self._write(sender, receiver, packet)
            timeout = max(0.0, (waiting[0][0] - now) * 1000) if waiting else None
            for fd, _ in poll.poll(timeout):
                if fd == self._wake[0]:
                    continue
                for _ in range(64):  # then the others
                    try:
                        packet = os.read(fd, _PACKET_MAX)
                    except OSError:  # nothing more, or the device is down
                        break
                    if packet[0] >> 4 != 4:
                        continue
                    sender, receiver = host_of_fd[fd], host_of_address.get(packet[16:20])
                    if receiver is None or receiver == sender:
                        continue
                    for due, copy in self._fate(self._links[sender, receiver], packet):
                        if due <= time.monotonic() and not on_link[sender, receiver]:
                            self._write(sender, receiver, copy)
                        elif on_link[sender, receiver] < QUEUE_MAX:
                            order += 1
                            on_link[sender, receiver] += 1
                            heapq.heappush(waiting, (due, order, sender, receiver, copy))
                        else:
                            self._links[sender, receiver].lost += 1

    def _fate(self, faults: Faults, packet: bytes) -> list[tuple[float, bytes]]:
        """When which bytes arrive: once, twice, or never."""
        chance = self._random.random
        if faults.cut or (faults.loss and chance() < faults.loss):
            faults.lost += 1
            return []
        if faults.corrupt and chance() < faults.corrupt:
            flipped = bytearray(packet)
            flipped[self._random.randrange(20, len(packet))] ^= 1 << self._random.randrange(8)
            packet = bytes(flipped)
        now = time.monotonic()
        begin = now
        if faults.rate:
            begin = max(now, faults._free_at)
            faults._free_at = begin + len(packet) / faults.rate
            begin = faults._free_at
        copies = 2 if faults.duplicate and chance() < faults.duplicate else 1
        least, most = faults.delay
        return [
            (begin + (self._random.uniform(least, most) if most else 0.0), packet)
            for _ in range(copies)
        ]

    def _write(self, sender: str, receiver: str, packet: bytes) -> None:
        faults = self._links[sender, receiver]
        if faults.cut:  # it was on its way when the link was cut
            faults.lost += 1
            return
        try:
            os.write(self._devices[receiver], packet)
            faults.passed += 1
        except OSError:  # the device is down, or its queue is full
            faults.lost += 1

    # -- making and removing -----------------------------------------------------------------------

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    def _remove(self) -> None:
        for fd in (*self._devices.values(), *self._wake):
            os.close(fd)
        self._devices.clear()
        for namespace in self._names.values():
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
