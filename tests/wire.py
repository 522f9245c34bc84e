"""One connection of a test, byte for byte, with a transcript.

Every wait is bounded: what does not come within `patience` seconds is a
WireError that says what was waited for and what had come instead.
"""
import re
import socket
import ssl
import time

PATIENCE = 20.0


class WireError(AssertionError):
    """The other side did not do what was expected of it."""


class Reply:
    """A reply of SMTP's form: a code and one or more lines of text."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.texts = [line[4:] for line in lines]

    @property
    def dsn(self):
        found = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)", self.texts[-1])
        return found.group() if found else ""

    @property
    def text(self):
        return self.texts[-1]

    def has(self, keyword):
        return any(t == keyword or t.startswith(keyword + " ") or
                   keyword in t.split() for t in self.texts)

    def __str__(self):
        return " / ".join(self.lines)


def visible(data):
    """Bytes as one line that a person can read."""
    text = data.decode("latin-1")
    text = text.replace("\\", "\\\\").replace("\r", "\\r")
    text = text.replace("\n", "\\n")
    text = "".join(c if 32 <= ord(c) < 127 else f"\\x{ord(c):02x}"
                   for c in text)
    return text if len(text) <= 500 else f"{text[:400]}... [{len(data)} bytes]"


class Wire:
    """`to` is (address, port), or a socket that is connected already."""

    def __init__(self, to, bind=None, patience=PATIENCE):
        if isinstance(to, socket.socket):
            self.socket = to
        else:
            source = (bind, 0) if bind else None
            self.socket = socket.create_connection(
                to, timeout=patience, source_address=source)
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.patience = patience
        self.segment = 0
        self.pending = b""
        self.transcript = []
        self.tag = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def note(self, mark, data):
        self.transcript.append(f"{mark} {visible(data)}")

    def send(self, data):
        self.note(">", data)
        step = self.segment or max(len(data), 1)
        self.socket.settimeout(self.patience)
        try:
            for at in range(0, len(data), step):
                self.socket.sendall(data[at:at + step])
        except OSError as e:
            raise WireError(f"could not send {visible(data)}: {e}") from e

    def receive(self, deadline, what):
        """Reads more; False at the end of the connection."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise WireError(f"waited {self.patience:g} s for {what}; "
                            f"pending: {visible(self.pending)!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            return self.receive(0, what)
        except ConnectionError:
            data = b""
        self.pending += data
        return bool(data)

    def take(self, n):
        data, self.pending = self.pending[:n], self.pending[n:]
        self.note("<", data)
        return data

    def line(self, what="a line"):
        """One line, without its end."""
        deadline = time.monotonic() + self.patience
        while b"\n" not in self.pending:
            if not self.receive(deadline, what):
                raise WireError(f"the connection ended instead of {what}; "
                                f"pending: {visible(self.pending)!r}")
        data = self.take(self.pending.index(b"\n") + 1)
        return data.rstrip(b"\r\n").decode("latin-1")

    def reply(self, what="a reply"):
        lines = []
        while True:
            line = self.line(what)
            if not re.match(r"[2-5]\d\d([ -]|$)", line):
                raise WireError(f"expected {what}, got: {line}")
            lines.append(line)
            if line[3:4] != "-":
                return Reply(lines)

    def expect(self, code, dsn=None):
        reply = self.reply(f"{code} {dsn or ''}".strip())
        if reply.code != code or dsn not in (None, reply.dsn):
            raise WireError(f"expected {code} {dsn or ''}, got: {reply}")
        return reply

    def command(self, text, code=None, dsn=None):
        """Sends a line; returns the reply, which has to be of this code."""
        self.send(text.encode("latin-1") + b"\r\n")
        return self.reply() if code is None else self.expect(code, dsn)

    def data(self):
        """What came before a line with one dot, with the dots taken off."""
        lines = []
        while True:
            line = self.line("the end of data")
            if line == ".":
                return lines
            lines.append(line[1:] if line.startswith(".") else line)

    def eof(self):
        deadline = time.monotonic() + self.patience
        while self.receive(deadline, "the end of the connection"):
            if b"\n" in self.pending:
                break
        if self.pending:
            raise WireError("expected the end of the connection, got: "
                            + visible(self.pending))

    def silence(self, seconds):
        """Nothing comes for so long."""
        if not self.pending:
            self.socket.settimeout(seconds)
            try:
                self.pending = self.socket.recv(65536)
            except socket.timeout:
                return
            except ConnectionError:
                pass
        raise WireError("expected silence, got: "
                        + (visible(self.pending) or "the end"))

    def starttls(self, server_context=None, name=None):
        if server_context:
            self.socket = server_context.wrap_socket(
                self.socket, server_side=True)
            return
        context = ssl.create_default_context()
        if name is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.socket.settimeout(self.patience)
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\1\0\0\0\0\0\0\0")
        self.socket.close()
