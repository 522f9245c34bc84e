"""What somebody could do who got hold of a daemon: each tries it itself.

lib/service/drill.h has them. With `sandbox = enforce` all that a daemon has no
word for is refused. With `off` the same is seen to get through, or to be
stopped by what stands besides: users and folders.
"""
import contextlib
import os
import re
import shutil
import signal
import smtplib
import socket
import urllib.request

import pytest

from mailboxes import PASSWORD, imap, pop3
from nexthop import NextHop
from suite import PORT_BASE, wait_for
from filetrace import CALLS, Trace

pytestmark = [pytest.mark.sandbox, pytest.mark.root]

METRICS = f"127.0.0.1:{PORT_BASE + 6666}"
REFUSED = {"EPERM", "EACCES"}

# For everybody: a folder, a file and a socket that users and modes protect
# from nobody, below the folder in which each daemon runs.
FILES = ["read open/secret", "write open/secret", "list open",
         "make open/new-{p}", "rename open/here-{p} open/there-{p}",
         "link open/secret open/link-{p}", "remove open/gone-{p}",
         "mkdir open/dir-{p}"]
SYSTEM = ["exec /nonexistent", "fork", "ptrace", "look", "signal", "become 0",
          "unshare", "mount /nonexistent", "code", "dumpable", "uring",
          "memfd x", "pair", "raise"]
INET = ["tcp 127.0.0.1 {port}", "tcp ::1 {port}", "udp 127.0.0.1 {port}",
        "udp ::1 {port}", "reuse 127.0.0.1 {port}", "listen {other}"]
TCP = {INET[0], INET[1], INET[4]}
UDP = {INET[2], INET[3]}
UNIX = {"unix open/socket"}
ABSTRACT = "unix @{abstract}"
ALL = FILES + SYSTEM + INET + sorted(UNIX) + [ABSTRACT]

# What each has words for, of these: nothing below open/ but for the broker.
MAY = {
    "authd": UNIX,
    "broker": {*FILES, "exec /nonexistent", "fork", "signal", "become 0",
               "code", "dumpable", "memfd x", "pair", "raise"},
    "cleanup": UNIX,
    "deliver": set(),
    "dnsd": TCP | UDP,
    "imap": set(),
    "imapd": UNIX,
    "lmtp": TCP | UNIX,
    "lmtpd": UNIX | {"memfd x"},
    "metrics": UNIX,
    "pop3": set(),
    "pop3d": UNIX,
    "postlogd": UNIX,
    "proxymap": TCP | UDP | UNIX | {"code"},
    "qmgr": UNIX,
    "smtp": TCP | UNIX,
    "smtpd": UNIX,
}

# What each may be thought to be after, besides.
OWN = {
    "smtpd": ["list incoming", "read incoming/.drill",
              "write incoming/.drill", "list deferred", "list .", "read {mail_file}",
              "read {users}", "read {key}", "read /etc/passwd",
              "unix private/broker", "unix login/broker", "unix auth/broker",
              "make private/x", "make deferred/x"],
    "imapd": ["read {users}", "read {key}", "read /etc/passwd", "list .",
              "unix auth/broker", "unix private/broker", "unix private/qmgr",
              "list incoming"],
    "pop3d": ["read {users}", "read {key}", "read /etc/passwd", "list ."],
    "imap": ["read {mail_file}", "list {others}", "read {users}",
             "read /etc/passwd"],
    "lmtpd": ["read {users}", "read {key}", "read /etc/passwd", "list .",
              "unix auth/broker", "unix private/qmgr", "list incoming",
              "list {others}"],
    "pop3": ["read {mail_file}", "list {others}", "read {users}",
             "read /etc/passwd"],
    "deliver": ["read {mail_file}", "list {others}", "read /etc/passwd"],
    "smtp": ["read {users}", "list .", "list incoming", "read /etc/passwd"],
    "qmgr": ["read {mail_file}", "read {users}", "write {main_cf}",
             "list {others}", "list private"],
    "cleanup": ["read {users}", "read /etc/passwd", "list private",
                "list {others}"],
    "authd": ["read {mail_file}", "write {users}", "list incoming"],
    "proxymap": ["read {users}", "list incoming", "write {main_cf}"],
    "metrics": ["read incoming/.drill", "write incoming/.drill",
                "list private", "read {mail_file}", "read {users}",
                "read /etc/passwd"],
    "dnsd": ["read /etc/passwd", "list incoming", "read {users}"],
}

# Stopped by users and folders, whatever the sandbox is.
WALLS = {"become 0"}


def orders(program):
    return ALL + OWN.get(program, [])


class Place:
    """What the drills are about."""

    def __init__(self, suite):
        self.tcp = [socket.create_server(("127.0.0.1", 0), backlog=500)]
        port = self.tcp[0].getsockname()[1]
        self.tcp.append(socket.create_server(("::1", port), backlog=500,
                                             family=socket.AF_INET6))
        self.abstract = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        name = f"postrider-drill-{os.getpid()}"
        self.abstract.bind("\0" + name)
        self.abstract.listen(100)
        others = suite.mail / "others"
        others.mkdir(mode=0o700)
        os.chown(others, 4103, 4103)
        (others / "mail").write_text("private\n")
        self.words = {
            "port": port, "other": PORT_BASE + 7777, "abstract": name,
            "others": others, "mail_file": others / "mail",
            "users": suite.etc / "users", "key": suite.etc / "cert.pem",
            "main_cf": suite.etc / "main.cf",
        }
        suite.files["drill"] = "".join(
            f"{program} {self.fill(order, program)}\n"
            for program in MAY for order in orders(program))

    def fill(self, order, program):
        return order.format(p=program, **self.words)

    def open(self, suite):
        """The folder of everybody, as soon as there is a queue."""
        folder = suite.queue_dir / "open"
        folder.mkdir()
        self.unix.bind(str(folder / "socket"))
        self.unix.listen(100)
        names = ["secret"] + [f"{kind}-{program}" for program in MAY
                              for kind in ("here", "gone")]
        for name in names:
            (folder / name).write_text("everybody's\n")
        other = suite.queue_dir / "incoming/.drill"  # of another smtpd
        other.write_text("somebody's mail\n")
        other.chmod(0o660)
        shutil.chown(other, "postrider-net", "postrider-net")
        for path in (folder, *folder.iterdir()):
            path.chmod(0o777)

    def close(self):
        for sock in (*self.tcp, self.abstract, self.unix):
            sock.close()


@contextlib.contextmanager
def everything(make_suite, within=(), **params):
    """A suite with a process of each program, and what drills are about."""
    suite = make_suite(**params).with_tls().with_auth(alice=PASSWORD)
    suite.with_mailboxes()
    suite.services |= {
        "cleanup": "cleanup unix n - n - 0 cleanup",
        "proxymap": "proxymap unix - - n - - proxymap",
        "out": "smtp unix - - n - 100 smtp",
        "lmtp": "lmtp unix - - n - 100 lmtp",
        "dnsd": "dnsd unix - - n - 1 dnsd",
        "metrics": f"{METRICS} inet n - n - 10 metrics",
    }
    suite.with_lmtp()
    suite.within = within
    suite.set(smtpd_relay_restrictions="permit_mynetworks, "
                                       "reject_unauth_destination")
    place = Place(suite)
    try:
        begin(suite, place)
        yield suite, place
    finally:
        place.close()


def begin(suite, place):
    suite.start()
    place.open(suite)
    suite.send("Subject: x\n\n")
    with smtplib.LMTP(suite.addr, suite.port("lmtp")) as lmtp:
        lmtp.sendmail("bob@client.test", ["alice@example.test"],
                      "Subject: y\r\n\r\n")
    suite.mailbox("alice").wait(2)
    imap(suite).logout()
    pop3(suite).quit()
    with urllib.request.urlopen(f"http://{METRICS}/metrics") as answer:
        assert answer.status == 200


def drill(suite, place, program):
    """(order, result) of a process of the program: a task's, and a thread's.
    """
    wait_for(program, lambda: suite.pids(program))
    pid = suite.pids(program)[0]
    suite.trouble_is_expected = True
    os.kill(pid, signal.SIGUSR2)

    def lines():
        found = [text for _, of, text in suite.log.lines() if of == pid]
        return found if found.count("drill: end") == 2 else None
    found = [re.fullmatch(r"drill: (.*): (\w+)", line).groups()
             for line in wait_for(f"{program} to try", lines)
             if line.startswith("drill: ") and line != "drill: end"]
    asked = {place.fill(order, program): order for order in orders(program)}
    tried = [(asked[order], result) for order, result in found]
    assert len(tried) == 2 * len(asked)
    return tried


def test_who_gets_hold_of_a_daemon_is_refused(make_suite):
    with everything(make_suite, sandbox="enforce") as (suite, place):
        wrong = []
        for program, may in MAY.items():
            for order, result in drill(suite, place, program):
                if (result in REFUSED) == (order in may):
                    wrong.append(f"{program}: {order}: {result}")
        assert not wrong, "\n".join(wrong)
        # Once for each call, however often it was tried.
        for pid in suite.pids("smtpd")[:1]:
            told = [text for _, of, text in suite.log.lines() if of == pid and
                    re.fullmatch(r"error: sandbox: refused system call \d+ "
                                 r"\(socket\)", text)]
            assert len(told) == 1
        said = suite.run("postrider", "-c", suite.etc, "check").stdout
        assert re.search(r"^note: sandbox = enforce; this kernel refuses "
                         r"system calls \(seccomp\); ", said, re.M), said


def test_without_the_sandbox_it_would_not_be(make_suite):
    with everything(make_suite, sandbox="off") as (suite, place):
        wrong = []
        for program in MAY:
            for order, result in drill(suite, place, program):
                if order in ALL and order not in WALLS and result in REFUSED:
                    wrong.append(f"{program}: {order}: {result}")
        assert not wrong, "\n".join(wrong)


def test_each_thread_is_in_the_sandbox(make_suite):
    with everything(make_suite, sandbox="enforce") as (suite, _):
        for program in MAY:
            for pid in suite.pids(program):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/status",
                              encoding="latin-1") as f:
                        text = f.read()
                    assert re.search(r"^Seccomp:\t2$", text, re.M), program
                    assert re.search(r"^NoNewPrivs:\t1$", text, re.M), program


# The sockets that each connects to, of those in the queue's folder.
SOCKETS = {
    "authd": {"auth/broker", "auth/proxymap"},
    "cleanup": {"private/qmgr", "private/proxymap"},
    "imapd": {"login/auth", "login/broker"},
    "lmtp": {"private/dns", "private/proxymap"},
    "lmtpd": {"login/auth", "login/broker"},
    "metrics": {"private/master"},
    "pop3d": {"login/auth", "login/broker"},
    "qmgr": {"private/broker", "private/smtp", "private/lmtp",
             "private/cleanup", "private/auth", "private/proxymap"},
    "smtp": {"private/dns", "private/proxymap"},
    "smtpd": {"private/qmgr", "private/auth", "private/dns",
              "private/proxymap"},
}


def exercise(suite):
    """A little of all that the daemons do."""
    suite.send("Subject: x\n\n", to="carl@far.test", bind="127.0.0.2")
    suite.log.wait(r"to=<carl@far.test>.*status=sent")
    suite.run("sendmail", "-f", "alice@example.test", "nobody@example.test",
              stdin=b"Subject: bounces\n\n")
    suite.mailbox("alice").wait(3)
    session = imap(suite)
    session.append("INBOX", None, None, b"Subject: y\r\n\r\nhello\r\n")
    session.create("Folder")
    session.select("INBOX")
    session.copy("1", "Folder")
    session.store("1", "+FLAGS", r"(\Seen)")
    session.search(None, "TEXT", "hello")
    session.fetch("1:*", "(FLAGS ENVELOPE BODY[])")
    session.rename("Folder", "Other")
    session.delete("Other")
    session.logout()
    session = pop3(suite)
    session.retr(1)
    session.dele(1)
    session.quit()
    suite.reload()
    suite.send("Subject: z\n\n")
    suite.mailbox("alice").wait(4)
    suite.wait_empty()


def test_files_are_those_that_were_declared(make_suite, tmp_path):
    out = tmp_path / "trace"
    with NextHop("127.0.0.1") as hop, \
            everything(make_suite, sandbox="enforce", relayhost=hop.hop,
                       within=["strace", "-f", "-y", "-s", "4096", "-o", out,
                               "-e", "trace=" + CALLS]) as (suite, _):
        exercise(suite)
        suite.stop()
    trace = Trace(out)
    assert trace.confined >= set(MAY) - {"broker"}
    assert not trace.wrong, "\n".join(sorted(trace.wrong))
    for program, paths in trace.sockets.items():
        assert paths <= SOCKETS.get(program, set()), program
