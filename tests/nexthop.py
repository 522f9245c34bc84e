"""A next hop for tests: a server of SMTP or LMTP that does what it is told.

    hop = NextHop(addr, rcpt="450 4.2.0 later")
    hop = NextHop(addr, data=[DROP, "354 go on"])   # by turns; then the last

A word of the session (connect ehlo helo starttls auth rset mail rcpt data dot
quit) has a reply: a text, whose lines are sent as they are; DROP; SILENT; or a
function of the session. What was said and sent stands in ->sessions.
"""
import contextlib
import socket
import ssl
import threading

DROP = object()
SILENT = object()

USUAL = {
    "connect": "220 hop.test ESMTP",
    "helo": "250 hop.test",
    "starttls": "220 2.0.0 go on",
    "auth": "235 2.7.0 hello",
    "rset": "250 2.0.0 ok",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": "354 go on",
    "dot": "250 2.0.0 taken",
    "quit": "221 2.0.0 bye",
}


class Session:
    def __init__(self, hop, sock):
        self.hop = hop
        self.socket = sock
        self.file = sock.makefile("rb")
        self.commands = []
        self.messages = []
        self.rcpts = 0
        self.said = ""
        self.tls = False
        self.ended = False

    def send(self, text):
        if isinstance(text, str):
            text = text.encode("latin-1")
        self.socket.sendall(text + b"\r\n")

    def reply(self, word):
        """False: the connection has ended."""
        said = self.hop.next_reply(word)
        if callable(said):
            said = said(self)
        if said is DROP:
            return False
        if said is SILENT:
            self.hop.released.wait()
            return False
        if said is not None:
            self.said = said
            self.send(said)
        return True

    def start_tls(self):
        self.socket = self.hop.tls.wrap_socket(self.socket, server_side=True)
        self.file = self.socket.makefile("rb")
        self.tls = True

    def take_message(self):
        lines = []
        for line in self.file:
            if line == b".\r\n":
                self.messages.append(b"".join(lines))
                self.hop.messages.append(b"".join(lines))
                return True
            lines.append(line[1:] if line.startswith(b".") else line)
        return False

    def hello(self, word):
        if word == "helo":
            return self.reply("helo")
        if "ehlo" in self.hop.replies:
            return self.reply("ehlo")
        lines = ["hop.test"] + [
            e for e in self.hop.extensions
            if not (e == "STARTTLS" and self.tls)]
        for i, line in enumerate(lines):
            self.send(f"250{' ' if i == len(lines) - 1 else '-'}{line}")
        return True

    def run(self):
        if not self.reply("connect"):
            return
        while line := self.file.readline():  # STARTTLS makes another
            text = line.decode("latin-1").rstrip("\r\n")
            self.commands.append(text)
            word = text.split(":")[0].split(" ")[0].lower()
            if word in ("ehlo", "lhlo", "helo"):
                if not self.hello(word):
                    return
                continue
            if word in ("mail", "rset"):
                self.rcpts = 0
            if not self.reply(word):
                return
            if word == "rcpt":
                self.rcpts += 1
            if word == "quit":
                return
            if word == "starttls" and self.hop.tls:
                self.start_tls()
            if word == "data" and self.said.startswith("354"):
                if not self.take_message():
                    return
                for _ in range(self.rcpts if self.hop.lmtp else 1):
                    if not self.reply("dot"):
                        return


class NextHop:
    def __init__(self, addr, port=0, lmtp=False, tls=None, extensions=(
            "PIPELINING", "SIZE 10240000", "8BITMIME", "DSN"), **replies):
        self.extensions = list(extensions)
        self.tls = tls
        self.lmtp = lmtp
        self.replies = replies
        self.sessions = []
        self.messages = []
        self.released = threading.Event()
        self.lock = threading.Lock()
        if isinstance(addr, tuple):
            addr, port = addr
        if port == 0 and str(addr).startswith("/"):
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(addr)
            self.listener.listen(100)
        else:
            self.listener = socket.create_server((addr, port), backlog=100)
        self.address = self.listener.getsockname()
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def hop(self):
        """As main.cf has it."""
        return f"[{self.address[0]}]:{self.address[1]}"

    def close(self):
        self.released.set()
        with contextlib.suppress(OSError):  # wakes who accepts
            self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()
        for session in self.sessions:
            with contextlib.suppress(OSError):
                session.socket.shutdown(socket.SHUT_RDWR)

    def next_reply(self, word):
        with self.lock:
            said = self.replies.get(word, USUAL.get(word, "500 what?"))
            if isinstance(said, list):
                said = said.pop(0) if len(said) > 1 else said[0]
            return said

    def commands(self):
        return [s.commands for s in self.sessions]

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            session = Session(self, sock)
            self.sessions.append(session)
            threading.Thread(target=self.serve, args=(session,),
                             daemon=True).start()

    def serve(self, session):
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            session.run()
        session.ended = True
        with contextlib.suppress(OSError):
            session.socket.shutdown(socket.SHUT_RDWR)
        session.socket.close()
