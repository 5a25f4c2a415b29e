"""The programs of these tests: the sidecar, and an app, both killed and started again."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Seconds that anything may take on a busy machine.
PATIENCE = float(os.environ.get("ODEON_SIDECAR_PATIENCE", 180))
# Before spawn_app is imported: where it makes the protocol's modules.
MESSAGES = os.environ.setdefault("SPAWN_MESSAGES", tempfile.mkdtemp(prefix="odeon-sidecar-"))


def clean_up():
    shutil.rmtree(MESSAGES, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def eventually(holds, what, limit=PATIENCE):
    deadline = time.monotonic() + limit
    while not (got := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.02)
    return got


class Program:
    """A process that says in a line that it is ready."""

    process = None

    def run(self, arguments, expected, environment=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(a) for a in arguments], stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=os.environ | (environment or {}))
        said = ""
        for line in self.process.stdout:
            if expected in line:
                return line
            said += line
        self.process.wait()
        raise AssertionError(f"{arguments[0]} says {said!r} and {self.errors()!r}")

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def end(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        if code != 0:
            raise AssertionError(f"ended with {code}: {self.errors()}")
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return code


class Sidecar(Program):
    def __init__(self, program, folder, app_port, *options, environment=None):
        self.program, self.folder, self.app_port = program, Path(folder), app_port
        self.options, self.environment, self.port = options, environment or {}, 0
        self.start()

    def start(self):
        # The address sanitizer keeps what is freed, which is of no use here.
        sane = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        line = self.run(
            [self.program, "node", "--sidecar", "--port", self.port, "--app-port", self.app_port,
             "--database", self.folder / "states.db", *self.options],
            "odeon node: sidecar on http://", {"ASAN_OPTIONS": sane} | self.environment)
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line)[1])
        self.line = line

    def request(self, method, path, body=b"", headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r.status, r.read(), dict(r.getheaders())
        finally:
            c.close()

    def metric(self, name):
        text = self.request("GET", "/metrics")[1].decode()
        return int(re.search(rf"^odeon_sidecar_{name} (\d+)$", text, re.M)[1])


class CountingApp(Program):
    def __init__(self, port, sidecar, *options):
        self.port, self.sidecar, self.options = port, sidecar, options
        self.start()

    def start(self):
        line = self.run([sys.executable, "-B", HERE / "counting_app.py", "--port", self.port,
                         "--proxy-port", self.sidecar.port, *self.options], "ready")
        if "Accepted" not in line:
            raise AssertionError(f"the sidecar says: {line}")
