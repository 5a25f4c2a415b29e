"""The tutorial's commands, run as they stand: each block of a shell's commands, one after another,
in one shell; each block of Python is the file that its first line names; and each block of text has
been printed, in that order, since the text before it.

    tutorial_test.py <odeon> <proto folder> <page>
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import programs
import spawn_app

MARK = "--- the end of these commands ---"


class Shell:
    """One bash with job control; its output, and that of what it starts, is read as it comes."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.run("set -m")

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def run(self, commands):
        before = self.lines.count(MARK)
        self.process.stdin.write(f"{commands}\necho '{MARK}'\n")
        self.process.stdin.flush()
        programs.eventually(lambda: self.lines.count(MARK) > before, f"an end of {commands}")

    def has_printed(self, text, begin):
        """The place after these lines, which stand in that order among others; 0: not yet."""
        at = begin
        for line in text.splitlines():
            if line not in self.lines[at:]:
                return 0
            at = self.lines.index(line, at) + 1
        return at

    def end(self):
        """Ends what is still there, by the session that all of it is in."""
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self.process.pid:
                    os.kill(int(entry.name), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.reader.join()


def blocks(page):
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)


def metric(port, name):
    """None: nobody listens."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=programs.PATIENCE)
    try:
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        return int(re.search(rf"^odeon_sidecar_{name} (\d+)$", text, re.M)[1])
    except ConnectionError:
        return None
    finally:
        c.close()


def main(odeon, proto, page):
    if not Path(proto, "protocol.proto").samefile(spawn_app.PROTO / "protocol.proto"):
        sys.exit(f"{proto} is not the folder of the protocol")
    port, app_port = programs.free_port(), programs.free_port()
    text = Path(page).read_text().replace("9001", str(port)).replace("8091", str(app_port))
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder, "tools")
        tools.mkdir()
        (tools / "odeon").symlink_to(odeon)
        (tools / "python3").symlink_to(sys.executable)
        shell = Shell(folder, os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}", "ODEON_PROTO": proto,
            "PYTHONDONTWRITEBYTECODE": "1"})
        begin = 0
        try:
            for kind, body in blocks(text):
                if kind == "python":
                    Path(folder, re.match(r"# (\S+\.py)\n", body)[1]).write_text(body)
                elif kind == "sh":
                    shell.run(body)
                    # A person reads on before the next command; a program waits for what it needs.
                    if "odeon node" in body:
                        programs.eventually(lambda: metric(port, "ready") == 1, "the sidecar")
                    if "bank.py &" in body:
                        programs.eventually(lambda: metric(port, "registrations_total"), "the app")
                else:
                    begin = programs.eventually(
                        lambda: shell.has_printed(body, begin), f"{body}in {shell.lines[begin:]}")
        except AssertionError as wrong:
            sys.exit(f"{wrong}\n" + "\n".join(shell.lines))
        finally:
            shell.end()
    print("the tutorial holds")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    finally:
        programs.clean_up()
