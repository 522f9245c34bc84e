"""POP3 as users' programs speak it."""
import os
import poplib
import socket

import pytest

from mailboxes import (PASSWORD, address, imap, ok, pop3, selected,
                       suite_with_mailboxes, trusting)
from suite import PATIENCE
from wire import Wire


@pytest.fixture
def mail(make_suite):
    suite = suite_with_mailboxes(make_suite).start()
    for n in range(1, 4):
        suite.send(f"Subject: {n}\r\n\r\n.dot {n}\r\nand more\r\n")
        suite.mailbox("alice").wait(n)
    return suite


def test_mail_is_read_and_deleted_at_quit(mail):
    session = pop3(mail)
    count, size = session.stat()
    assert count == 3
    assert size == sum(int(row.split()[1]) for row in session.list()[1])
    text = session.retr(2)[1]
    assert text[-2:] == [b".dot 2", b"and more"]
    assert session.top(3, 1)[1][-1] == b".dot 3"
    session.dele(1)
    with pytest.raises(poplib.error_proto):
        session.retr(1)
    session.close()  # without QUIT nothing is deleted
    session = pop3(mail)
    assert session.stat()[0] == 3
    session.dele(1)
    session.quit()
    session = pop3(mail)
    assert session.stat()[0] == 2
    session.quit()
    with selected(mail) as other:
        assert ok(other.search(None, "SEEN")) == [b"1"]
    mail.log.wait(r"pop3-login: Login: user=<alice@example\.test>, method="
                  r"PLAIN, rip=\S+, lip=\S+, mpid=\d+, TLS, session=<\S+>$")
    mail.log.wait(r"pop3\(alice@example\.test\)<\d+><\S+>: Disconnected: "
                  r"Logged out top=\d+/\d+, retr=\d+/\d+, del=1/3, size=\d+$")


def test_unique_ids_stay_for_ever(mail):
    session = pop3(mail)
    before = session.uidl()[1]
    assert len({row.split()[1] for row in before}) == 3
    session.quit()
    mail.stop()
    index = mail.mail / mail.users["alice"] / "postrider-index"
    if index.exists():
        for path in index.iterdir():
            path.unlink()
    mail.start()
    session = pop3(mail)
    assert session.uidl()[1] == before
    session.quit()
    with selected(mail) as other:
        ok(other.store("1", "+FLAGS", "(\\Deleted)"))
        ok(other.expunge())
        uid = ok(other.fetch("1", "(UID)"))[0]
    session = pop3(mail)
    rows = session.uidl()[1]
    assert [row.split()[1] for row in rows] == \
        [row.split()[1] for row in before[1:]]
    assert rows[0].rsplit(b".")[-1] in uid
    session.quit()


def test_stls_and_no_password_without(mail):
    wire = Wire((mail.addr, mail.port("pop3")))
    assert wire.line("a greeting").startswith("+OK ")
    wire.send(b"USER alice@example.test\r\nCAPA\r\n")
    assert wire.line("a refusal").startswith("-ERR [AUTH]")
    lines = []
    while lines[-1:] != ["."]:
        lines.append(wire.line("CAPA"))
    assert "STLS" in lines and "USER" not in lines
    wire.close()
    session = poplib.POP3(mail.addr, mail.port("pop3"), timeout=PATIENCE)
    session.stls(context=trusting())
    session.user(address(mail, "alice"))
    session.pass_(PASSWORD)
    assert session.stat()[0] == 3
    session.quit()


def test_what_came_before_tls_ends_the_connection(mail):
    wire = Wire((mail.addr, mail.port("pop3")))
    wire.line("a greeting")
    wire.send(b"STLS\r\nUSER alice@example.test\r\n")
    with pytest.raises((AssertionError, OSError)):
        wire.line("STLS's answer")
        wire.starttls()
        wire.line("nothing")


def test_wrong_passwords(mail):
    session = pop3(mail, None)
    session.user(address(mail, "alice"))
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
        session.pass_("wrong")
    session.close()
    mail.log.wait(r"pop3-login: (Disconnected|Aborted login)\b.*\(auth failed, "
                  r"1 attempts in \d+ secs\): user=<alice@example\.test>, "
                  r"method=PLAIN, rip=127\.0\.0\.1, lip=")


def test_commands_sent_ahead(mail):
    """RFC 2449, PIPELINING: through the login, too."""
    raw = socket.create_connection((mail.addr, mail.port("pop3s")),
                                   timeout=PATIENCE)
    wire = Wire(trusting().wrap_socket(raw))
    wire.send(f"USER {address(mail, 'alice')}\r\nPASS {PASSWORD}\r\nSTAT\r\n"
              "NOOP\r\nQUIT\r\n".encode())
    answers = [wire.line("an answer") for _ in range(6)]
    assert [a.split()[0] for a in answers] == ["+OK"] * 6, answers
    assert answers[3].startswith("+OK 3 ")


def test_ids_of_another_server(make_suite):
    suite = suite_with_mailboxes(make_suite)
    box = suite.mail / suite.users["alice"]
    for folder in ("new", "cur", "tmp"):
        os.makedirs(box / folder)
    (box / "cur" / "1.M1.host:2,S").write_bytes(b"Subject: 1\n\nx\n")
    (box / "dovecot-uidlist").write_text(
        "3 V1700000000 N18 G0123456789abcdef0123456789abcdef\n"
        "17 :1.M1.host\n")
    for top, folders, files in os.walk(suite.mail):
        for name in folders + files:
            if os.geteuid() == 0:
                os.chown(os.path.join(top, name), 5000, 5000)
    suite.set(pop3d_uidl_format="%08Xu%08Xv").start()
    session = pop3(suite)
    assert session.uidl()[1] == [b"1 %08X%08X" % (17, 1700000000)]
    session.quit()
    session = imap(suite)
    ok(session.select())
    assert b"UID 17" in ok(session.fetch("1", "(UID)"))[0]
    session.logout()
