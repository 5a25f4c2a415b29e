"""Connections as sources, sinks and flows of bytes.

A connection is read when bytes are asked for, and written while the peer takes them: a side that is
slow slows the other one down through the network, and what is held meanwhile has a bound. In
``odeon.testing`` a system's connections are pipes in memory, in virtual time. Example::

    serve = framing.lines().map(lambda line: line.upper() + b"\\n")
    server = tcp.incoming("127.0.0.1:0").run(
        system, Sink.foreach(lambda connection: connection.join(serve).run(system)))
    binding = server.values[0]

    requests = Source.from_iterable([b"to be\\nor ", b"not\\n"])
    answers = requests.via(tcp.outgoing(binding.address)).via(framing.lines())
    print(await answers.run(system, Sink.collect()))
    binding.unbind()
    await server
"""

from __future__ import annotations

from .. import _native
from .flow import Flow, operations
from .framing import Bytes
from .handles import Binding
from .sink import Sink
from .source import Source
from .stream import Stream

__all__ = ["Binding", "Connection", "incoming", "outgoing"]


class Connection:
    """One accepted connection. Its source and its sink are each for one stream; a second one raises
    InvalidArgument when it is run. The peer's end completes the source, and sending goes on; the
    end of what the sink takes is told to the peer, and receiving goes on. A failure of what the
    sink takes breaks the connection. When nothing of it is held any more it ends."""

    __slots__ = ("_handle",)

    def __init__(self, handle: object) -> None:
        self._handle = handle

    def source(self) -> Source[bytes]:
        """The bytes that the peer sends, cut anywhere."""
        return Source((("connection", self._handle),))

    def sink(self) -> Sink[Bytes, int]:
        """Sends bytes to the peer, and the end behind them. The result, the number of bytes, comes
        when all is handed to the system."""
        return Sink((("connection", self._handle),))

    def flow(self) -> Flow[Bytes, bytes]:
        """Both in one: what goes in is sent, what comes out was received. As :func:`outgoing`."""
        return Flow((("connection", self._handle),))

    def join(self, serve: Flow[bytes, Bytes]) -> Stream[int]:
        """What serves the peer, to be run: ``source().via(serve).to(sink())``."""
        return Stream(self.source()._ops + operations(serve), self.sink()._ops)

    @property
    def local_address(self) -> str:
        """Such as "127.0.0.1:4000"."""
        return _native.stream_peers(self._handle)[0]

    @property
    def peer_address(self) -> str:
        """That of the other side."""
        return _native.stream_peers(self._handle)[1]


def incoming(
    address: str, *, chunk: int = 16 * 1024, write_buffer: int = 64 * 1024, backlog: int = 1024
) -> Source[Connection]:
    """Listens on ``address`` ("host:port"; port 0: a free one) from the moment it is run, and gives
    the connections that arrive, each when it is asked for. A :class:`Binding` in the run's
    ``values``. An address that cannot be listened on fails the stream. ``chunk``: bytes read at a
    time; ``write_buffer``: bytes gathered while others are being written; ``backlog``: connections
    that wait to be accepted."""
    return Source((("tcp_incoming", address, Connection, chunk, write_buffer, backlog),))


def outgoing(
    address: str,
    *,
    connect_timeout: float = 10.0,
    chunk: int = 16 * 1024,
    write_buffer: int = 64 * 1024,
) -> Flow[Bytes, bytes]:
    """Connects when it is run; what comes in is sent, what comes out was received. Nothing is asked
    for before it is connected; no connection within ``connect_timeout`` seconds fails the stream.
    Cancelled, it closes the connection."""
    return Flow((("tcp_outgoing", address, connect_timeout, chunk, write_buffer),))
