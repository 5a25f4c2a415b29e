"""A real PostgreSQL or MariaDB server of one's own, for tests: the twin of
tests/support/database_server.hpp.

It lives in a folder under the temporary one, listens on a socket there and nowhere else, can be
killed and started again, and goes away with the object or with the process. Neither server runs as
root: when the tests do, it runs as the user that its package made, or as ``nobody``.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Kind = Literal["postgres", "mariadb"]

_START_LOOKS = 6000  # of 10 ms each: a minute
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl
_USERS = {"postgres": "postgres", "mariadb": "mysql"}
_READY = {"postgres": "ready to accept connections", "mariadb": "ready for connections"}


def _find(program: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    places += [Path("/usr/sbin"), Path("/usr/local/sbin")]
    found = (place / program for place in places if os.access(place / program, os.X_OK))
    return next((str(each) for each in found), None)


def programs(kind: Kind) -> tuple[str, str] | None:
    """The server and what makes its folder; None: they are not installed."""
    names = ("postgres", "initdb") if kind == "postgres" else ("mariadbd", "mariadb-install-db")
    server, installer = _find(names[0]), _find(names[1])
    return None if server is None or installer is None else (server, installer)


class DatabaseServer:
    """Made and started; ``close`` ends it and removes its folder."""

    def __init__(self, kind: Kind) -> None:
        there = programs(kind)
        assert there is not None, f"{kind} is not installed"
        self.kind = kind
        self._server, installer = there
        self.folder = Path(tempfile.mkdtemp(prefix="odeon-db-"))
        self._user: pwd.struct_passwd | None = None
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._create(installer)
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def connection(self) -> str:
        """Of PostgreSQL, for libpq."""
        return f"host={self.folder} dbname=postgres user=odeon"

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> None:
        """Starts it and waits until it takes connections. Recovers what a kill left.

        It ends with the thread that calls this.
        """
        seen = len(self.log())
        self._process = self._spawn(self._command(), "log")
        for _ in range(_START_LOOKS):
            if _READY[self.kind] in self.log()[seen:]:
                return
            if self._process.poll() is not None:
                break
            select.select([], [], [], 0.01)
        raise RuntimeError("the server does not start:\n" + self.log()[seen:])

    def stop(self) -> None:
        """Ends it as an administrator would, with clients still connected."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT if self.kind == "postgres" else signal.SIGTERM)
        self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Ends it as a power cut would end its processes, all at once."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no more of them
        for child in self._children():
            os.kill(child, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what it is made of --------------------------------------------------------------------

    def _create(self, installer: str) -> None:
        if os.geteuid() == 0:
            try:
                self._user = pwd.getpwnam(_USERS[self.kind])
            except KeyError:
                self._user = pwd.getpwnam("nobody")
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self.folder / "data")
        if self.kind == "postgres":
            words = ["-D", data, "-A", "trust", "-U", "odeon", "-E", "UTF8", "--locale=C",
                     "--no-sync", "--no-instructions"]
        else:
            words = ["--no-defaults", f"--datadir={data}", "--skip-test-db",
                     "--auth-root-authentication-method=normal"]
        done = self._spawn([installer, *words], "install.log").wait()
        if done != 0:
            said = (self.folder / "install.log").read_text("utf-8", "replace")
            raise RuntimeError(f"{installer} failed:\n{said}")

    def _command(self) -> list[str]:
        data = str(self.folder / "data")
        if self.kind == "postgres":
            words = [self._server, "-D", data, "-k", str(self.folder)]
            for setting in ("listen_addresses=", "shared_buffers=32MB", "max_connections=60",
                            "recovery_init_sync_method=syncfs"):
                words += ["-c", setting]
            return words
        return [self._server, "--no-defaults", f"--datadir={data}", f"--socket={self.socket}",
                "--skip-networking", f"--pid-file={self.folder / 'pid'}",
                "--innodb-buffer-pool-size=64M"]

    def _spawn(self, words: list[str], log: str) -> subprocess.Popen[bytes]:
        with open(self.folder / log, "ab") as out:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                preexec_fn=self._in_child())

    def _in_child(self) -> Callable[[], None]:
        user, parent = self._user, os.getpid()

        def run() -> None:
            if user is not None:
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(126)

        return run

    def _children(self) -> list[int]:
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(each) for each in path.read_text("ascii").split()]
