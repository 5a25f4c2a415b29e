#!/usr/bin/env python3
"""The chat of example 27, by the ways that its guests come: a WebSocket client in plain Python that
says what a browser says, and the page itself in headless Chromium, driven over its debugging pipe.

    chat_test.py PROGRAM        77: the program is not there, or (for the page alone) no browser is
"""

import base64
import hashlib
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

PATIENCE = 90.0  # seconds, for a machine that is busy
PROGRAM = ""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Chat:
    """The program, on a port of its own."""

    def __enter__(self):
        self.sockets = []
        self.terminal, out = pty.openpty()  # a line is written when it ends, as to a person
        self.process = subprocess.Popen([PROGRAM, "127.0.0.1:0"], stdout=out,
                                        stdin=subprocess.DEVNULL)
        os.close(out)
        line, end = b"", time.monotonic() + PATIENCE
        while not line.endswith(b"\n"):
            if not select.select([self.terminal], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError("the chat does not say where it is")
            line += os.read(self.terminal, 1024)
        self.url = line.decode().strip()
        self.address = self.url.removeprefix("http://").rstrip("/")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(PATIENCE)
        os.close(self.terminal)
        for each in self.sockets:
            each.close()


class Guest:
    """A WebSocket client that behaves as a browser's does."""

    def __init__(self, chat, name, origin=None):
        host, port = chat.address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        chat.sockets.append(self.socket)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET /chat/{name} HTTP/1.1\r\nHost: {chat.address}\r\nConnection: Upgrade\r\n"
            "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0\r\n"
            f"Upgrade: websocket\r\nOrigin: {origin or 'http://' + chat.address}\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n"
            f"Sec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        ).encode())
        self.bytes = b""
        head = self.until(b"\r\n\r\n").decode().lower()
        self.status = int(head.split()[1])
        if self.status == 101:
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            assert base64.b64encode(digest).decode().lower() in head, head
            self.packs = "permessage-deflate" in head

    def until(self, mark):
        while mark not in self.bytes:
            self.more()
        head, self.bytes = self.bytes.split(mark, 1)
        return head

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.bytes += got

    def take(self, count):
        while len(self.bytes) < count:
            self.more()
        out, self.bytes = self.bytes[:count], self.bytes[count:]
        return out

    def frame(self, kind, body):
        """Masked, as all that a client sends."""
        mask = os.urandom(4)
        if len(body) < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | len(body))
        else:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, len(body))
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body)))

    def say(self, text):
        self.frame(1, text.encode())

    def hear(self):
        """The next message; pings are answered."""
        while True:
            first, size = self.take(2)
            assert not size & 0x80, "a server masks nothing"
            packed = bool(first & 0x40)
            if size == 126:
                size = struct.unpack("!H", self.take(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self.take(8))[0]
            body = self.take(size)
            if packed:
                import zlib
                body = zlib.decompressobj(-15).decompress(body + b"\0\0\xff\xff")
            kind = first & 0x0F
            if kind == 9:
                self.frame(10, body)
            elif kind == 8:
                return None
            else:
                return body.decode()

    def leave(self):
        self.frame(8, struct.pack("!H", 1000))
        while self.hear() is not None:
            pass
        self.socket.close()


class Browser:
    """Headless Chromium with one page, over the pipe of its debugging protocol: JSON, each message
    ended by a zero byte."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="odeon-chat-", ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.answers, to_write = os.pipe()

        def place():  # what the browser reads is its descriptor 3, what it writes 4
            a, b = os.dup(to_read), os.dup(to_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             f"--user-data-dir={self.folder.name}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(to_read)
        os.close(to_write)
        self.rest, self.number, self.session = b"", 0, None
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        page = pages[0] if pages else self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            while b"\0" not in self.rest:
                if not select.select([self.answers], [], [], max(0.0, end - time.monotonic()))[0]:
                    raise TimeoutError(method)
                got = os.read(self.answers, 65536)
                if not got:
                    raise EOFError(f"the browser has ended with {self.process.wait(PATIENCE)}")
                self.rest += got
            line, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]

    def run(self, script):
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script):
        """The page is asked again and again, by the page's own timer."""
        return self.run(
            "new Promise((done, no) => { const end = Date.now() + %d; const look = () => {"
            "  const v = (() => { try { return %s; } catch { return null; } })();"
            "  if (v) done(v); else if (Date.now() > end) no(new Error('it did not come'));"
            "  else setTimeout(look, 20); }; look(); })" % (PATIENCE * 900, script))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (OSError, EOFError, TimeoutError, RuntimeError):
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        os.close(self.to)
        os.close(self.answers)
        self.folder.cleanup()


class ChatTest(unittest.TestCase):
    def test_guests_hear_each_other_and_are_told_who_goes(self):
        with Chat() as chat:
            page = urllib.request.urlopen(chat.url, timeout=PATIENCE).read().decode()
            self.assertIn("new WebSocket(", page)
            ada = Guest(chat, "Ada")
            self.assertEqual(ada.hear(), "Ada is here")
            bob = Guest(chat, "Bob%20%26%20Co")
            for guest in ada, bob:
                self.assertEqual(guest.hear(), "Bob & Co is here")
            long = "ö" * 1500  # two bytes each: a frame with an extended length
            for line in ("hello", "<b>not bold</b>", long):
                ada.say(line)
                for guest in ada, bob:
                    self.assertEqual(guest.hear(), "Ada: " + line)
            bob.leave()
            self.assertEqual(ada.hear(), "Bob & Co has gone")
            ada.socket.close()  # without a word
            late = Guest(chat, "Late")
            heard = [late.hear()]
            while heard[-1] not in ("Ada has gone", "Late is here"):
                heard.append(late.hear())
            self.assertLessEqual(set(heard), {"Ada has gone", "Late is here"})
            late.leave()
        self.assertEqual(chat.status, 0)

    def test_a_page_of_elsewhere_and_a_message_too_long_are_refused(self):
        with Chat() as chat:
            self.assertEqual(Guest(chat, "Eve", origin="http://elsewhere.example").status, 403)
            loud = Guest(chat, "Loud")
            self.assertEqual(loud.hear(), "Loud is here")
            loud.say("x" * 5000)  # the room takes 4096 bytes
            with self.assertRaises((EOFError, ConnectionError)):
                while loud.hear() is not None:
                    pass
                raise EOFError
            calm = Guest(chat, "Calm")
            while calm.hear() != "Calm is here":
                pass
            calm.leave()

    def test_the_page_says_a_line_and_shows_it(self):
        program = next((found for found in map(shutil.which, BROWSERS) if found), None)
        if not program:
            self.skipTest("there is no Chromium")
        with Chat() as chat:
            browser = Browser(program)
            try:
                browser.call("Page.enable")
                browser.call("Page.navigate", url=chat.url)
                browser.until("document.querySelector('form')"
                              " && document.readyState === 'complete'")
                submit = ("(document.getElementById('text').value = %s,"
                          " document.querySelector('button').click(), true)")
                shown = ("[...document.querySelectorAll('#said div')].map(d => d.textContent)"
                         ".includes(%s)")
                browser.run(submit % json.dumps("Ada"))
                browser.until(shown % json.dumps("Ada is here"))
                bob = Guest(chat, "Bob")
                self.assertEqual(bob.hear(), "Bob is here")
                browser.until(shown % json.dumps("Bob is here"))
                browser.run(submit % json.dumps("hello, Bob"))
                self.assertEqual(bob.hear(), "Ada: hello, Bob")
                browser.until(shown % json.dumps("Ada: hello, Bob"))
                bob.say("<img src=x onerror='document.title=1'>")
                self.assertEqual(bob.hear(), "Bob: <img src=x onerror='document.title=1'>")
                browser.until(shown % json.dumps("Bob: <img src=x onerror='document.title=1'>"))
                self.assertEqual(browser.run("document.querySelectorAll('#said img').length"), 0)
                self.assertEqual(browser.run("document.title"), "Chat")
                browser.call("Page.close")
                self.assertEqual(bob.hear(), "Ada has gone")
                bob.leave()
            finally:
                browser.close()


if __name__ == "__main__":
    if len(sys.argv) < 2 or not pathlib.Path(sys.argv[1]).exists():
        print("the chat is not built")
        sys.exit(77)
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
