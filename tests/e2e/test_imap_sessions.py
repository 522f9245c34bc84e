"""IMAP as users have it: real clients against the whole suite."""
import imaplib
import re
import socket
import time

import pytest

from mailboxes import (PASSWORD, address, flags, imap, ok, selected,
                       suite_with_mailboxes)
from suite import PATIENCE

MESSAGE = b"From: a@example.test\r\nSubject: one\r\n\r\nbody\r\n"


@pytest.fixture
def suite(make_suite):
    return suite_with_mailboxes(make_suite).start()


def test_a_user_keeps_mail(suite):
    session = imap(suite)
    names = b" ".join(ok(session.list()))
    for special in (b"\\Drafts", b"\\Junk", b"\\Sent", b"\\Trash"):
        assert special in names
    ok(session.create("Work.2026"))
    ok(session.append("Work.2026", r"(\Seen $Label)", None, MESSAGE))
    assert ok(session.select("Work.2026")) == [b"1"]
    assert ok(session.fetch("1", "(RFC822.SIZE BODY[])"))[0][1] == MESSAGE
    assert flags(session, 1) >= {r"\Seen", "$Label"}
    assert ok(session.search(None, "SUBJECT", "one", "BODY", "body")) == [b"1"]
    ok(session.copy("1", "INBOX"))
    ok(session.store("1", "+FLAGS", r"(\Deleted)"))
    assert ok(session.expunge()) == [b"1"]
    assert ok(session.select("INBOX")) == [b"1"]
    assert session.logout()[0] == "BYE"
    suite.log.wait(
        r"^imap\(alice@example\.test\)<\d+><\S+>: Disconnected: Logged out "
        r"in=\d+ out=\d+ deleted=1 expunged=1 trashed=0 hdr_count=0 "
        r"hdr_bytes=0 body_count=1 body_bytes=\d+$", "dovecot")


def test_sessions_of_two_users_meet_nowhere(suite):
    with selected(suite) as alice, selected(suite, "bob") as bob:
        ok(alice.append("INBOX", None, None, MESSAGE))
        assert ok(alice.noop()) and ok(bob.noop())
        assert ok(bob.search(None, "ALL")) == [b""]
        for name in ("alice", "../alice", "/", "alice.INBOX"):
            assert bob.select(f'"{name}"')[0] == "NO"


class Wire:
    """IMAP by hand, in the clear."""

    def __init__(self, suite):
        self.socket = socket.create_connection(
            (suite.addr, suite.port("imap")), PATIENCE,
            source_address=(suite.addr, 0))
        self.file = self.socket.makefile("rb")
        self.line()
        self.send(f'a LOGIN {address(suite, "alice")} "{PASSWORD}"')
        assert b"a OK [CAPABILITY" in self.until(b"a ")

    def send(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def line(self):
        return self.file.readline()

    def until(self, start):
        text = b""
        while True:
            line = self.line()
            text += line
            if not line or line.startswith(start):
                return text

    def ask(self, text):
        self.send(f"b {text}")
        return self.until(b"b ")


def test_who_is_idle_is_told_within_a_second(suite):
    sessions = [Wire(suite) for _ in range(5)]
    for session in sessions:
        assert b"b OK [READ-WRITE]" in session.ask("SELECT INBOX")
        session.send("b IDLE")
        session.until(b"+ ")
    suite.send("Subject: news\n\nnews\n")
    suite.mailbox("alice").wait(1)
    before = time.monotonic()
    for session in sessions:
        assert session.line() == b"* 1 EXISTS\r\n"
    assert time.monotonic() - before < 1
    for session in sessions:
        session.send("DONE")
        assert b"b OK Idle completed." in session.until(b"b ")


def test_a_suite_that_stops_says_goodbye(suite):
    sessions = [Wire(suite) for _ in range(2)]
    sessions[1].send("b IDLE")
    sessions[1].until(b"+ ")
    suite.stop()
    for session in sessions:
        assert b"* BYE Server shutting down." in session.until(b"* BYE")


def test_the_same_user_may_not_come_too_often(suite):
    suite.set(mail_max_userip_connections=2).write()
    suite.reload()
    kept = [imap(suite) for _ in range(2)]
    with pytest.raises(imaplib.IMAP4.error, match="LIMIT"):
        imap(suite)
    kept[0].logout()
    suite.log.wait(r"Disconnected: Logged out")
    imap(suite).logout()


def test_mail_of_a_foreign_program_is_seen(suite):
    with selected(suite) as session:
        place = suite.mailbox("alice").path / "new"
        (place / "1700000000.1.host").write_bytes(b"Subject: x\n\ny\n")
        ok(session.noop())
        assert ok(session.search(None, "SUBJECT", "x")) == [b"1"]


def test_large_messages_go_both_ways(suite):
    body = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 500000
    with selected(suite) as session:
        ok(session.append("INBOX", None, None, body))
        ok(session.noop())
        got = ok(session.fetch("1", "(BODY.PEEK[])"))[0][1]
        assert got == body
        assert re.search(rb"RFC822.SIZE %d\b" % len(body),
                         ok(session.fetch("1", "(RFC822.SIZE)"))[0])


def test_who_does_not_read_hinders_nobody(suite):
    body = b"Subject: large\r\n\r\n" + b"x" * 900000 + b"\r\n"
    with selected(suite) as session, selected(suite) as slow:
        ok(session.append("INBOX", None, None, body))
        ok(slow.noop())
        slow.send(b"x FETCH 1 BODY[]\r\n" * 20)
        for _ in range(3):
            ok(session.noop())
            assert ok(session.search(None, "ALL")) == [b"1"]
        answers, line = 0, b"-"
        while answers < 20 and line:
            line = slow.readline()
            answers += line.startswith(b"x OK Fetch completed.")
        assert answers == 20
