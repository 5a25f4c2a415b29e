"""Two nodes that can only connect outward, as behind NAT: each registers its name at a relay, and
from then on one's actors are reached from the other. What they say is protected from end to end by
a secret that the relay does not have.

Prints::

    bob says drawtuo; the relay has 2 nodes
"""

import asyncio
from dataclasses import dataclass

import odeon
from odeon import codecs, remote

RELAY_SECRET = "known to the relay and its nodes"
NODE_SECRET = "known to the nodes alone"


@codecs.register(manifest="mirror.reverse")
@dataclass
class Reverse(odeon.Request[str]):
    text: str


class Mirror(odeon.Actor[Reverse]):
    def receive(self, msg: Reverse) -> str:
        return msg.text[::-1]


async def main() -> None:
    # As a program: odeon relay --auth-secret-env RELAY_SECRET
    async with remote.Relay("ws://127.0.0.1:0/odeon", secret=RELAY_SECRET) as relay:
        # A node: a transport through the relay, which an endpoint uses like any other.
        async with (
            remote.RelayTransport(relay.address, "bob", secret=RELAY_SECRET) as bobs_way,
            remote.RelayTransport(relay.address, "alice", secret=RELAY_SECRET) as alices_way,
            odeon.ActorSystem("bob") as bob,
            odeon.ActorSystem("alice") as alice,
            remote.Endpoint(bob, listen="bob:7400", secret=NODE_SECRET, transport=bobs_way),
            remote.Endpoint(alice, listen="alice:7400", secret=NODE_SECRET,
                            transport=alices_way) as net,
        ):
            bob.spawn(Mirror, name="mirror")
            far = await net.lookup("bob:7400", "mirror", Mirror, timeout=30.0)
            said = await far.ask(Reverse("outward"), timeout=30.0)
            print(f"bob says {said}; the relay has {relay.metrics().registered} nodes")


asyncio.run(main())
