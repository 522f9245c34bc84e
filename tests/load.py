"""Clients that send many messages at once and remember which were accepted.

Each attempt has a token of its own, in the header Token, so that each message
that got 250 can be looked for, whatever became of the others.
"""
import collections
import os
import re
import threading
import time

from wire import Wire, WireError


class Load:
    """`clients` threads send `total` accepted messages between them."""

    def __init__(self, suite, total, clients=20, users=(), size=2000,
                 per_session=20, patience=120.0):
        self.suite = suite
        self.users = list(users) or list(suite.users)
        self.body = ((b"x" * 70 + b"\r\n") * (size // 72 + 1))[:size]
        self.per_session = per_session
        self.deadline = time.monotonic() + patience
        self.lock = threading.Lock()
        self.left = total
        self.accepted = []
        self.refused = collections.Counter()
        self.broken = collections.Counter()
        self.changed = threading.Condition(self.lock)
        self.threads = [threading.Thread(target=self.client, args=(n,),
                                         daemon=True)
                        for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self, n):
        serial = 0
        while time.monotonic() < self.deadline:
            try:
                with Wire(self.suite.smtp, patience=20) as wire:
                    wire.expect(220)
                    wire.command(f"EHLO client{n}.test", 250)
                    for _ in range(self.per_session):
                        if not self.take():
                            return
                        serial += 1
                        self.message(wire, f"{n}-{serial}", n + serial)
            except (WireError, OSError) as e:
                with self.lock:
                    self.broken[str(e)] += 1
                time.sleep(0.02)  # the suite may not be there at all

    def take(self):
        with self.lock:
            if self.left == 0:
                return False
            self.left -= 1
            return True

    def message(self, wire, token, n):
        """One message; what was taken and not accepted is given back."""
        user = self.users[n % len(self.users)]
        wire.transcript.clear()
        ok = False
        try:
            wire.send(b"MAIL FROM:<load@client.test>\r\nRCPT TO:<%s@%s>\r\n"
                      b"DATA\r\n" % (user.encode(),
                                     self.suite.domain.encode()))
            replies = [wire.reply() for _ in range(3)]
            if [r.code for r in replies] == [250, 250, 354]:
                wire.send(b"Token: %s\r\n\r\n%s\r\n.\r\n"
                          % (token.encode(), self.body))
                reply = wire.reply()
                ok = reply.code == 250
            else:
                reply = next(r for r in replies if r.code not in (250, 354))
                if replies[2].code == 354:
                    wire.send(b".\r\n")
                    wire.reply()
                wire.command("RSET", 250)
            if not ok:
                self.refused[str(reply)] += 1
                if reply.code == 421:
                    raise WireError(str(reply))
        finally:
            with self.lock:
                if ok:
                    self.accepted.append(token)
                else:
                    self.left += 1
                self.changed.notify_all()

    def wait_accepted(self, n):
        """Until so many were accepted, or all clients have ended."""
        with self.lock:
            while len(self.accepted) < n and time.monotonic() < self.deadline:
                self.changed.wait(0.5)
            if len(self.accepted) < n:
                raise AssertionError(self.describe())

    def finish(self):
        for thread in self.threads:
            thread.join(max(0.1, self.deadline - time.monotonic() + 30))
        if any(t.is_alive() for t in self.threads) or self.left:
            raise AssertionError("the load did not end: " + self.describe())
        return self.accepted

    def describe(self):
        return (f"{len(self.accepted)} accepted, {self.left} left, "
                f"broken: {dict(self.broken)}, "
                f"refused: {dict(self.refused)}")


def tokens(suite):
    """How often each token lies in a mailbox; half a message is an error."""
    found = collections.Counter()
    for user in suite.users:
        for path, data in suite.mailbox(user).standing(
                lambda p: (p, p.read_bytes())):
            match = re.search(rb"^Token: (\S+)$", data, re.M)
            if not match or not data.endswith(b"x\n"):
                raise AssertionError(f"half a message: {path}")
            found[match[1].decode()] += 1
    return found


def check(suite, accepted, at_most=2):
    """Each accepted message is there, and not more often than `at_most`.

    Returns how many are there more than once.
    """
    found = tokens(suite)
    lost = [t for t in accepted if t not in found]
    assert not lost, f"{len(lost)} of {len(accepted)} lost: {lost[:10]}"
    often = {t: n for t, n in found.items() if n > at_most}
    assert not often, f"delivered more than {at_most} times: {often}"
    return sum(1 for n in found.values() if n > 1)


def raise_limits():
    """Descriptors for thousands of connections."""
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
