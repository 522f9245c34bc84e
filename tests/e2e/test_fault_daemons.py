"""Each call of a daemon fails once, or is its last: no mail is lost by it.

Calls are tried in strides, so that this ends soon; with POSTRIDER_FAULTS_STRIDE=1
in the environment every one is. A fault ends in mail that comes later; it comes
twice only where nobody can know whether it has come.
"""
import contextlib
import os
import re
import smtplib
import time

import pytest

from faults import ERRORS, FAIL, KILL, NEVER, Faults
from nexthop import NextHop
from suite import TimeOut, wait_for

pytestmark = pytest.mark.root

STRIDE = int(os.environ.get("POSTRIDER_FAULTS_STRIDE", "0"))
ROUNDS = 8  # of a walk with strides

# What ends a conversation, or hides how it ended, when it fails.
CONVERSATION = {"recv", "recvmsg", "read", "send", "sendmsg", "write",
                "accept4", "close", "mmap64"}


class Way:
    """One way of mail through a suite: how it is sent, what comes of it."""

    def __init__(self, make_suite, victim):
        self.suite = make_suite(service_throttle_time="1s",
                                minimal_backoff_time="1h",
                                maximal_backoff_time="1h",
                                smtpd_reject_unlisted_recipient="no")
        self.suite.trouble_is_expected = True
        self.prepare(self.suite)
        self.faults = Faults(self.suite, victim)
        self.suite.start()

    def prepare(self, suite):
        pass

    def send(self, subject):
        """Returns False if it was not taken."""
        with contextlib.suppress(AssertionError, OSError,
                                 smtplib.SMTPException):
            return bool(self.suite.send(f"Subject: {subject}\n\nx\n",
                                        self.rcpts()))
        return False

    def rcpts(self):
        return ["alice"]

    def found(self):
        """All texts that have arrived, by where."""
        return {"alice": [m.data.decode("latin-1")
                          for m in self.suite.mailbox("alice").messages()]}

    def more(self):
        """Where it can come twice by its nature."""
        return ()

    def unlock(self):
        """Locks of the dead are old."""


class Relay(Way):
    def prepare(self, suite):
        self.hop = NextHop(suite.addr)
        suite.services["out"] = "smtp unix - - n - 10 smtp"
        suite.files["transport"] = f"next.test smtp:{self.hop.hop}\n"
        suite.set(transport_maps=f"texthash:{suite.etc}/transport",
                  relay_domains="next.test")

    def rcpts(self):
        return ["x@next.test"]

    def found(self):
        return {"next": [m.decode("latin-1").replace("\r", "")
                         for m in self.hop.messages]}


class Drop(Way):
    """By the program sendmail, and so by maildrop."""

    def prepare(self, suite):
        suite.set(myorigin="example.test")

    def send(self, subject):
        return self.suite.run("sendmail", "alice", ok=False,
                              stdin=f"Subject: {subject}\n\nx\n".encode()
                              ).returncode == 0


class Bounce(Way):
    """What comes is the report."""

    def send(self, subject):
        return bool(self.suite.send(f"Subject: {subject}\n\nx\n", "ghost",
                                    sender="alice@example.test"))


class Home(Way):
    """All that local does for its users."""

    def prepare(self, suite):
        suite.with_people()
        self.out = suite.dir / "out"
        self.out.mkdir()
        self.out.chmod(0o777)
        suite.put_home("ben", ".forward", "\\ben, bob@example.test\n")
        suite.new_aliases(f"file: {self.out}/file\n"
                          f"run: |cat >> {self.out}/run\n"
                          "off: alice@example.test\nowner-off: carl\n")

    def rcpts(self):
        return [f"{n}@here.test" for n in ("ann", "ben", "file", "run", "off")]

    def found(self):
        def text(path):
            with contextlib.suppress(FileNotFoundError):
                return re.split(r"(?m)^(?=From )", path.read_text("latin-1"))
            return []
        return {
            "ann": self.suite.mbox("ann"), "ben": self.suite.mbox("ben"),
            "bob": [m.data.decode("latin-1")
                    for m in self.suite.mailbox("bob").messages()],
            "file": text(self.out / "file"), "run": text(self.out / "run"),
            **super().found()}

    def more(self):
        return ("ben", "bob")  # one of two fails: both again

    def unlock(self):
        for path in (*self.suite.spool.glob("*.lock"),
                     *self.out.glob("*.lock")):
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (0, 0))


WAYS = {
    "smtp": Relay, "qmgr": Relay, "smtpd": Way, "deliver": Way,
    "cleanup": Drop, "bounce": Bounce, "local": Home, "errand": Home,
}


def count(way, subject):
    """How often it is in each place."""
    return {place: sum(f"Subject: {subject}\n" in t for t in texts)
            for place, texts in way.found().items()}


def is_quiet(suite):
    """Whether nothing is left to do; a queue manager that died has more."""
    done = suite.run("postqueue", "-c", suite.etc, "-j", ok=False)
    return (done.returncode == 0 and not done.stdout
            and not suite.files_in("maildrop"))


def settle(way, subject, accepted):
    """All goes on as if nothing had been; what was taken comes."""
    suite, looked = way.suite, time.monotonic()
    way.faults.disarm()

    def came():
        nonlocal looked
        way.unlock()
        if is_quiet(suite):
            return not accepted or all(count(way, subject).values())
        if [m for m in suite.queue() if m["queue_name"] == "deferred"]:
            suite.run("postqueue", "-c", suite.etc, "-f", ok=False)
        if time.monotonic() > looked + 4:  # what was not told is looked for
            suite.clock("+301s")
            looked = time.monotonic()
        return False
    try:
        wait_for(f"{subject} to come ({way.faults.what})", came)
    except TimeOut:
        print("queue:", suite.queue(), "maildrop:",
              suite.files_in("maildrop"), "came:", count(way, subject))
        raise


def one(way, subject, nth, mode, error):
    """A message, whose n-th call of the victim's is not as it should be."""
    way.faults.arm(nth, mode, error)
    accepted = way.send(subject)
    wait_for("the call, or the end of the mail",
             lambda: way.faults.fired or is_quiet(way.suite))
    settle(way, subject, accepted)
    found, what = count(way, subject), way.faults.what
    print(subject, what, accepted, found)
    for place, n in found.items():
        twice = (mode == KILL or what in CONVERSATION or place in way.more())
        assert n <= 1 + twice, f"{subject} came {n} times to {place} ({what})"


@pytest.mark.faults
@pytest.mark.parametrize("mode", ["fail", "kill"])
@pytest.mark.parametrize("victim", WAYS)
def test_no_call_of_a_daemon_loses_mail(make_suite, victim, mode):
    way = WAYS[victim](make_suite, "cleanup" if victim == "bounce" else victim)
    one(way, "warm", NEVER, KILL, 0)
    assert not way.faults.fired
    one(way, "count", NEVER, KILL, 0)
    calls = way.faults.calls
    print("calls:", calls)
    stride = STRIDE or max(1, calls // ROUNDS)
    for n in range(1, calls + 1, stride):
        one(way, f"{mode}-{n}", n, KILL if mode == "kill" else FAIL,
            ERRORS[n // stride % len(ERRORS)])
    assert not [t for t in way.suite.log.find("status=bounced")
                if victim != "bounce"]
    check_remains(way, mode)


@pytest.mark.parametrize("call", ["unlinkat", "renameat2", "pwrite64"])
def test_what_cannot_be_recorded_is_recorded_later(make_suite, call):
    """And is not delivered again meanwhile."""
    way = Relay(make_suite, "qmgr")
    if call != "unlinkat":  # what waits is what is renamed, and written to
        way.hop.replies["rcpt"] = ["450 4.2.0 later", "250 2.1.5 ok"]
    way.faults.arm(1, FAIL, only=call)
    assert way.send("record")
    way.suite.log.wait(": what became of it cannot be recorded in incoming/",
                       "qmgr")
    assert way.suite.queue()
    way.suite.clock("+61s")
    if call == "unlinkat":
        way.suite.wait_empty()
    else:
        wait_for("it to be put off", lambda: [
            m for m in way.suite.queue() if m["queue_name"] == "deferred"])
        assert count(way, "record") == {"next": 0}
        way.suite.drain()
    assert count(way, "record") == {"next": 1}
    assert not way.suite.files_in()


def check_remains(way, mode):
    """What was begun and is no mail is removed later, or was never made."""
    suite = way.suite
    left = suite.files_in("incoming", "deferred", "hold", "corrupt",
                          "maildrop")
    # What was taken and could not be removed lies where nobody takes it again.
    aside = {p for p in left if p.parent.name == "corrupt"}
    if aside:
        suite.log.wait("is mail that was taken in", count=len(aside))
    assert len(aside) == len(suite.log.find("is mail that was taken in"))
    for path in aside:
        path.unlink()
    left = [p for p in left if p not in aside]
    if mode == "fail":
        assert not left
        assert not [p for p in suite.mail.rglob("tmp/*") if p.is_file()]
    for path in left:
        assert path.parent.name == "incoming" or (
            path.parent.parent.name == "incoming")
        os.utime(path, (0, 0))
    suite.clock("+1h")  # it looks again every queue_run_delay
    wait_for("what was begun to be removed", lambda: not suite.files_in())
