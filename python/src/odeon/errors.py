"""What can go wrong, as exceptions.

Every exception of this package derives from :class:`OdeonError`; where Python has a standard class
for the same thing (``TimeoutError``, ``ValueError`` …) the exception derives from that as well. The
names follow the C++ error codes: ``code`` is that code's identifier.
"""

from __future__ import annotations

import errno

__all__ = [
    "OdeonError",
    "ActorFailed",
    "ActorKilled",
    "ActorStopped",
    "AddressInUse",
    "AskCancelled",
    "AskTimeout",
    "AuthenticationFailed",
    "BadCertificate",
    "CallCycle",
    "ConfigError",
    "ConnectTimeout",
    "ConnectionRefused",
    "ContractChanged",
    "CorruptRecord",
    "DecodingError",
    "EncodingError",
    "Expired",
    "ExpiredCertificate",
    "Fenced",
    "IncompatiblePeer",
    "InterpreterCompatError",
    "InternalError",
    "InvalidArgument",
    "IoFailed",
    "MailboxFull",
    "NameTaken",
    "NoReply",
    "NoSuchActor",
    "NotFound",
    "PeerOverloaded",
    "PlacementFailed",
    "ProtocolViolation",
    "Quarantined",
    "QuotaExceeded",
    "Refused",
    "SpawnFailed",
    "Stale",
    "StashFull",
    "StoreFull",
    "SystemStopped",
    "Unhandled",
    "UnknownHost",
    "UnknownManifest",
    "Unreachable",
    "VersionConflict",
    "WorkerDied",
    "WouldBlock",
    "WrongType",
    "from_code",
]


class OdeonError(Exception):
    """The base of all; its text is one sentence for a person."""

    code: str = "internal"


class NoSuchActor(OdeonError, LookupError):
    """Nothing is registered under that name or path."""

    code = "no_such_actor"


class ActorStopped(OdeonError):
    """The actor had stopped, or stopped before it took the message."""

    code = "actor_stopped"


class Stale(ActorStopped):
    """The address is of an earlier actor of that path, or of an earlier run of its node."""

    code = "stale"


class MailboxFull(OdeonError):
    """A bounded mailbox was at its capacity."""

    code = "mailbox_full"


class PeerOverloaded(MailboxFull):
    """As much waits for the other node as may."""

    code = "peer_overloaded"


class Expired(OdeonError):
    """The message's time to live, or its ask's deadline, had passed when it was taken."""

    code = "expired"


class Unhandled(OdeonError):
    """The actor has no handler for the message."""

    code = "unhandled"


class Unreachable(OdeonError, ConnectionError):
    """The actor lives elsewhere, and there is no way to it now."""

    code = "unreachable"


class UnknownHost(Unreachable):
    """The name of the other machine leads to no address; the text has it."""

    code = "unknown_host"


class ConnectionRefused(Unreachable, ConnectionRefusedError):
    """Nothing listens at the address, or a firewall says so."""

    code = "connection_refused"


class ConnectTimeout(Unreachable, TimeoutError):
    """The other machine did not answer in time."""

    code = "connect_timeout"


class Quarantined(Unreachable):
    """That incarnation of the node was given up for good; it must be started again."""

    code = "quarantined"


class AuthenticationFailed(OdeonError, ConnectionError):
    """The other side has no certificate that this one trusts, or not the shared secret."""

    code = "authentication_failed"


class BadCertificate(AuthenticationFailed):
    """A certificate is not trusted, for another host, or unreadable."""

    code = "bad_certificate"


class ExpiredCertificate(AuthenticationFailed):
    """A certificate's time is over, or has not begun."""

    code = "expired_certificate"


class IncompatiblePeer(OdeonError, ConnectionError):
    """The two sides share no version of the protocol, or disagree about a message's form."""

    code = "incompatible_peer"


class ProtocolViolation(IncompatiblePeer):
    """The other side sent bytes that no node sends."""

    code = "protocol_violation"


class ContractChanged(IncompatiblePeer):
    """Both sides know a message, and would not understand each other.

    Of messages of Python, ``manifest`` names it, and ``ours`` and ``theirs`` are the hashes of the
    two contracts.
    """

    code = "contract_changed"
    manifest: str | None = None
    ours: str | None = None
    theirs: str | None = None


class PlacementFailed(OdeonError):
    """No member of the federation has what the actor needs; the text names what was missing.

    ``missing`` are the capabilities that no member has which was asked.
    """

    code = "placement_failed"
    missing: tuple[str, ...] = ()


class AskTimeout(OdeonError, TimeoutError):
    """No reply came in time; the text says where the request was."""

    code = "ask_timeout"


class ActorFailed(OdeonError):
    """The handler raised. In the same interpreter ``__cause__`` is what it raised; from elsewhere
    ``class_path`` names its class, and a note has the traceback."""

    code = "handler_failed"
    class_path: str | None = None


class NoReply(OdeonError):
    """The handler ended without an answer: it returned None, and did not call ``ctx.reply``."""

    code = "no_reply"


class AskCancelled(OdeonError):
    """The asker gave up, or the work was asked to stop."""

    code = "cancelled"


class ActorKilled(OdeonError):
    """The actor was killed while it had the message in hand."""

    code = "killed"


class CallCycle(OdeonError):
    """The ask would wait for itself; the text is the whole chain."""

    code = "call_cycle"


class WouldBlock(OdeonError):
    """A blocking call on a thread that must not block, such as one that runs the target itself."""

    code = "would_block"


class Refused(OdeonError):
    """The actor said no: raise it in a handler for a rule of the application."""

    code = "refused"


class NameTaken(OdeonError, ValueError):
    """A live actor has that name under the same parent already."""

    code = "name_taken"


class SpawnFailed(OdeonError):
    """The constructor, the factory or ``pre_start`` raised; ``__cause__`` is what it raised."""

    code = "spawn_failed"


class SystemStopped(OdeonError):
    """The actor system is terminating, or has terminated."""

    code = "system_stopped"


class InvalidArgument(OdeonError, ValueError):
    """A call outside its contract."""

    code = "invalid_argument"


class StashFull(OdeonError):
    """The stash was at its capacity."""

    code = "stash_full"


class EncodingError(OdeonError, ValueError):
    """A message that cannot be encoded for where it is to go; raised at the sender's call."""

    code = "no_codec"


class DecodingError(OdeonError, ValueError):
    """Bytes that are not what they should be; the text has the offset or the field."""

    code = "bad_encoding"


class UnknownManifest(DecodingError):
    """No message is known by that name on the side that was to read it."""

    code = "unknown_manifest"


class WrongType(OdeonError, TypeError):
    """A message or value of another type than expected."""

    code = "wrong_type"


class ConfigError(OdeonError, ValueError):
    """A configuration key or value is not acceptable; the text names file, line and key."""

    code = "config_invalid"


class Fenced(OdeonError):
    """A newer writer has taken over this id."""

    code = "fenced"


class VersionConflict(OdeonError):
    """The expected sequence or revision is not the present one."""

    code = "version_conflict"


class CorruptRecord(OdeonError):
    """A stored record fails its checksum; the text has its position."""

    code = "corrupt_record"


class NotFound(OdeonError, LookupError):
    """The key, snapshot or file is not there."""

    code = "not_found"


class IoFailed(OdeonError, OSError):
    """The operating system or the store refused; the text is its own."""

    code = "io_failed"


class StoreFull(IoFailed):
    """No space is left; nothing of the write remains."""

    code = "store_full"


class AddressInUse(IoFailed):
    """Another program, or another part of this one, listens at the ``address`` already.

    ``errno`` is ``EADDRINUSE``, as the sockets of Python have it.
    """

    code = "address_in_use"

    address: str

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.address = text.removeprefix("cannot listen on ").partition(": ")[0]
        self.errno = errno.EADDRINUSE


class WorkerDied(OdeonError):
    """The process that ran the actor has ended: by a signal, or out of memory."""

    code = "worker_died"


class QuotaExceeded(OdeonError):
    """A bound is used up: a dispatcher's quota (actors, waiting messages, memory), or one that a
    journal, a store or a router was given. The text names it."""

    code = "quota_exceeded"


class InterpreterCompatError(OdeonError, ImportError):
    """A module that is not safe for the interpreter it is imported into."""

    code = "interpreter_compat"


class InternalError(OdeonError):
    """A defect in Odeon: please report it with its text."""

    code = "internal"


_by_code: dict[str, type[OdeonError]] = {
    cls.code: cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, OdeonError) and "code" in vars(cls)
    if cls is not OdeonError
}
_by_code["truncated"] = DecodingError
_by_code["limit_exceeded"] = QuotaExceeded
_by_code["missing_field"] = DecodingError
_by_code["newer_version"] = DecodingError
_by_code["store_closed"] = IoFailed
_by_code["restart_limit"] = ActorStopped


def from_code(code: str, text: str) -> OdeonError:
    """The exception for an error code of the runtime: ``from_code("ask_timeout", "…")``."""
    return _by_code.get(code, InternalError)(text)
