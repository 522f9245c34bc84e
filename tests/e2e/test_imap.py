"""IMAP as users' programs speak it: logins, mailboxes, flags, news."""
import fcntl
import imaplib
import os
import pathlib
import random
import re
import select
import smtplib
import socket
import ssl
import threading
import time

import pytest

import load
from mailboxes import (PASSWORD, address, flags, imap, ok, selected,
                       suite_with_mailboxes, trusting)
from suite import MAIL_UID, PATIENCE, is_root, wait_for
from wire import Wire, WireError

MESSAGE = ("From: Bob <bob@example.test>\r\nTo: alice@example.test\r\n"
           "Subject: {}\r\nMessage-ID: <{}@client.test>\r\n\r\n{}\r\n")


@pytest.fixture
def mail(make_suite):
    return suite_with_mailboxes(make_suite).start()


def mail_with(make_suite, **params):
    return suite_with_mailboxes(make_suite).set(**params).start()


def message(subject, body="hello"):
    return MESSAGE.format(subject, subject.replace(" ", "."), body)


def submit(suite, to="alice", subject="one", sender="bob"):
    with smtplib.SMTP(suite.addr, suite.port("submission"), "client.test",
                      timeout=PATIENCE) as smtp:
        smtp.starttls(context=trusting())
        smtp.login(address(suite, sender), PASSWORD)
        smtp.sendmail(address(suite, sender), [address(suite, to)],
                      message(subject))


def clear(suite, service="imap"):
    """A connection without TLS that has been greeted."""
    wire = Wire((suite.addr, suite.port(service)))
    wire.line("a greeting")
    return wire


def command(wire, text):
    """Says a command; returns the lines of its answer, the tagged one last."""
    tag = text.split()[0]
    wire.send(text.encode() + b"\r\n")
    lines = []
    while not lines or not lines[-1].startswith(tag + " "):
        lines.append(wire.line(f"the answer to {text}"))
    return lines


def test_what_is_submitted_is_read(mail):
    submit(mail)
    mail.mailbox("alice").wait(1)
    with selected(mail) as session:
        assert ok(session.search(None, "SUBJECT", "one")) == [b"1"]
        text = ok(session.fetch("1", "(RFC822)"))[0][1]
        assert text.endswith(message("one").split("\r\n\r\n")[1].encode())
        assert b"with ESMTPSA" in text
        assert flags(session, 1) >= {"\\Seen"}
    mail.log.wait(r"imap-login: Login: user=<alice@example\.test>, "
                  rf"method=PLAIN, rip=\S+, lip={re.escape(mail.addr)}, "
                  r"mpid=\d+, TLS, session=<\S+>$")
    mail.log.wait(r"imap\(alice@example\.test\)<\d+><\S+>: Disconnected: "
                  r"Logged out in=\d+ out=\d+")


def test_passwords_want_tls(mail):
    wire = Wire((mail.addr, mail.port("imap")))
    greeting = wire.line("a greeting")
    assert greeting.startswith("* OK [CAPABILITY IMAP4rev1 ")
    assert "LOGINDISABLED" in greeting and "STARTTLS" in greeting
    assert "AUTH=" not in greeting
    answer = command(wire, f"a LOGIN {address(mail, 'alice')} x")
    assert answer[-1].startswith("a NO [PRIVACYREQUIRED]")
    with imaplib.IMAP4(mail.addr, mail.port("imap"), PATIENCE) as session:
        session.starttls(ssl_context=trusting())
        assert "LOGINDISABLED" not in session.capabilities
        ok(session.login(address(mail, "alice"), PASSWORD))
        ok(session.select())


def test_wrong_passwords_are_refused_and_logged(mail):
    session = imap(mail, None)
    for user, password in ((address(mail, "alice"), "wrong"),
                           ("nobody@example.test", PASSWORD)):
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            session.login(user, password)
    ok(session.login(address(mail, "alice"), PASSWORD))
    session.logout()
    session = imap(mail, None)
    with pytest.raises(imaplib.IMAP4.error):
        session.login(address(mail, "alice"), "wrong")
    session.logout()
    mail.log.wait(r"imap-login: (Disconnected|Aborted login)\b.*\(auth failed, "
                  r"1 attempts in \d+ secs\): user=<alice@example\.test>, "
                  r"method=PLAIN, rip=127\.0\.0\.1, lip=")


def test_what_came_before_tls_ends_the_connection(mail):
    wire = clear(mail)
    wire.send(b"a STARTTLS\r\nb LOGIN alice@example.test x\r\n")
    rest = b""
    with pytest.raises((WireError, ssl.SSLError, OSError)):
        wire.line("STARTTLS's answer")
        wire.starttls()
        wire.line("nothing")
    assert b"b OK" not in rest
    assert not mail.log.find("Login: user=")


def test_a_login_in_the_clear_is_handed_over_whole(make_suite):
    mail = mail_with(make_suite, imapd_tls_auth_only="no")
    wire = clear(mail)
    wire.send(f"a LOGIN {address(mail, 'alice')} \"{PASSWORD}\"\r\n"
              "b SELECT INBOX\r\nc LOGOUT\r\n".encode())
    lines = [wire.line("an answer")]
    while not lines[-1].startswith("c "):
        lines.append(wire.line("an answer"))
    assert lines[0].startswith("a OK [CAPABILITY IMAP4rev1 ")
    assert any(line.startswith("b OK [READ-WRITE]") for line in lines)
    assert lines[-1].startswith("c OK")


def test_commands_on_messages(mail):
    with selected(mail) as session:
        for n in range(1, 6):
            code, answer = session.append(
                "INBOX", "(\\Flagged)" if n == 2 else None,
                '"17-Jul-1996 02:44:25 -0700"', message(f"m {n}").encode())
            assert code == "OK"
            assert re.search(rb"\[APPENDUID \d+ %d\]" % n, answer[0])
        ok(session.noop())
        assert session.response("EXISTS")[1][-1] == b"5"
        line = ok(session.fetch("1", "(INTERNALDATE RFC822.SIZE UID)"))[0]
        assert b'INTERNALDATE "17-Jul-1996 09:44:25 +0000"' in line
        assert b"RFC822.SIZE %d" % len(message("m 1")) in line
        assert ok(session.search(None, "FLAGGED")) == [b"2"]
        ok(session.store("3", "+FLAGS", "(\\Seen $Label Custom)"))
        assert flags(session, 3) >= {"\\Seen", "$Label", "Custom"}
        assert ok(session.search(None, "KEYWORD", "custom")) == [b"3"]
        ok(session.create("Archive.2026"))
        answer = ok(session.copy("1,3", "Archive.2026"))
        assert re.search(rb"\[COPYUID \d+ 1,3 1:2\]", answer[0])
        ok(session.uid("MOVE", "5", "Archive.2026"))
        assert ok(session.search(None, "ALL")) == [b"1 2 3 4"]
        session.response("EXPUNGE")
        ok(session.store("1:2", "+FLAGS", "\\Deleted"))
        assert ok(session.expunge()) == [b"1", b"1"]
        assert ok(session.search(None, "ALL")) == [b"1 2"]
        ok(session.select('"Archive.2026"'))
        assert flags(session, 2) >= {"$Label", "Custom"}
        assert ok(session.fetch("3", "BODY[HEADER.FIELDS (SUBJECT)]"))[0][1] \
            == b"Subject: m 5\r\n\r\n"


def test_mailboxes(mail):
    session = imap(mail)
    names = {re.search(rb'"\." "?([^"]+)"?$', line)[1]: line
             for line in ok(session.list())}
    assert set(names) == {b"INBOX", b"Drafts", b"Junk", b"Sent", b"Trash"}
    assert b"\\Sent" in names[b"Sent"]
    for name in ("a.b.c", "&AOk-t&AOk-"):
        ok(session.create(name))
    ok(session.subscribe("a.b.c"))
    assert ok(session.lsub()) == [b'(\\HasNoChildren) "." a.b.c'] or \
        b"a.b.c" in ok(session.lsub())[-1]
    ok(session.rename("a.b", "x"))
    assert b"x.c" in b" ".join(ok(session.list('""', "x*")))
    ok(session.delete("x.c"))
    assert session.select("x.c")[0] == "NO"
    assert session.create("INBOX")[0] == "NO"
    assert b"MESSAGES 0" in ok(session.status(
        "INBOX", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)"))[0]
    session.logout()


def test_two_sessions_see_each_other(mail):
    with selected(mail) as one, selected(mail) as two:
        ok(one.append("INBOX", None, None, message("x").encode()))
        ok(two.noop())
        assert two.response("EXISTS")[1][-1] == b"1"
        ok(two.store("1", "+FLAGS", "\\Deleted"))
        ok(one.noop())
        assert flags(one, 1) >= {"\\Deleted"}
        ok(one.expunge())
        # No EXPUNGE may come with FETCH; with NOOP it does.
        two.fetch("1", "(FLAGS)")
        assert two.response("EXPUNGE")[1] == [None]
        ok(two.noop())
        assert two.response("EXPUNGE")[1] == [b"1"]


def test_users_see_only_their_own(mail):
    submit(mail, "alice", "secret")
    mail.mailbox("alice").wait(1)
    with selected(mail, "bob") as session:
        assert ok(session.search(None, "ALL")) == [b""]
        for name in ("../alice", "..", "/etc", "alice.INBOX", ".../x", "a/b"):
            code, _ = session.select(f'"{name}"')
            assert code == "NO", name
            assert session.create(f'"{name}/../../x"')[0] == "NO"


def idle(wire):
    wire.send(b"i IDLE\r\n")
    while not wire.line("the + of IDLE").startswith("+ "):
        pass


def log_in(suite, user="alice"):
    """A connection by TLS that has INBOX selected."""
    raw = socket.create_connection((suite.addr, suite.port("imaps")),
                                   timeout=PATIENCE)
    wire = Wire(trusting().wrap_socket(raw, server_hostname="x"))
    wire.line("a greeting")
    answer = command(wire, f'a LOGIN {address(suite, user)} "{PASSWORD}"')
    assert answer[-1].startswith("a OK"), answer
    answer = command(wire, "b SELECT INBOX")
    assert answer[-1].startswith("b OK"), answer
    return wire


def test_idle_is_told(mail):
    wire = log_in(mail)
    idle(wire)
    mail.send("Subject: news\r\n\r\nx\r\n")
    assert wire.line("EXISTS").startswith("* 1 EXISTS")
    assert wire.line("RECENT").startswith("* 1 RECENT")
    with selected(mail) as other:
        ok(other.store("1", "+FLAGS", "\\Flagged"))
    assert re.match(r"\* 1 FETCH \(.*\\Flagged", wire.line("FETCH"))
    wire.send(b"DONE\r\n")
    assert wire.line("the end of IDLE").startswith("i OK")


def test_another_program_changes_the_maildir(mail):
    box = mail.mail / mail.users["alice"]
    with selected(mail) as session:
        path = box / "new" / "1700000000.M1.elsewhere"
        path.write_bytes(b"Subject: by hand\n\nx\n")
        if is_root():
            os.chown(path, MAIL_UID, MAIL_UID)
        wait_for("the new message",
                 lambda: ok(session.noop()) and
                 ok(session.search(None, "ALL")) == [b"1"])
        found = [p for p in (box / "cur").iterdir()]
        assert len(found) == 1
        found[0].rename(found[0].parent / (found[0].name.split(":")[0]
                                           + ":2,FS"))
        wait_for("its flags",
                 lambda: ok(session.noop()) and
                 flags(session, 1) >= {"\\Flagged", "\\Seen"})
        next((box / "cur").iterdir()).unlink()
        wait_for("its end",
                 lambda: ok(session.noop()) and
                 ok(session.search(None, "ALL")) == [b""])


def test_1000_idle_sessions_are_told(make_suite):
    assert load.raise_limits() >= 4000
    mail = mail_with(make_suite, imapd_tls_auth_only="no",
                     mail_max_userip_connections=2000)
    wires = []
    try:
        for _ in range(1000):
            wire = clear(mail)
            wires.append(wire)
            wire.send(f'a LOGIN {address(mail, "alice")} "{PASSWORD}"\r\n'
                      "b SELECT INBOX\r\n".encode())
            while not wire.line("the answer to SELECT").startswith("b OK"):
                pass
            idle(wire)
        mail.send("Subject: news\r\n\r\nx\r\n")
        begun = time.monotonic()
        for wire in wires:
            while "1 EXISTS" not in wire.line("EXISTS"):
                pass
        # Told, not measured: the bench says how long it takes.
        print(f"all told after {time.monotonic() - begun:.2f} s")
    finally:
        for wire in wires:
            wire.close()


def test_slow_readers_hold_up_nobody(mail):
    with selected(mail) as session:
        ok(session.append("INBOX", None, None,
                          message("large", "x" * 76 + "\r\n").encode()
                          + b"y" * 79 * 50000))
    slow = log_in(mail)
    slow.send(b"f FETCH 1 BODY[]\r\n" * 20)
    for _ in range(3):
        with selected(mail) as session:
            assert ok(session.search(None, "ALL")) == [b"1"]
    slow.close()


def test_who_waits_for_a_lock_holds_up_no_search(mail):
    with selected(mail) as session:
        ok(session.create("other"))
        for name in ("INBOX", "other"):
            ok(session.append(name, None, None, message("one").encode()))
    waiting = [log_in(mail) for _ in range(8)]
    folder = mail.mail / "example.test/alice"
    [path] = (folder / "cur").iterdir()
    with open(folder / "postrider-uid", "rb+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        path.rename(f"{path}F")  # somebody else's program
        for wire in waiting:
            wire.send(b"s SEARCH TEXT hello\r\n")
        with selected(mail, mailbox="other") as session:
            assert ok(session.search(None, "TEXT hello")) == [b"1"]
        assert not select.select([w.socket for w in waiting], [], [], 0)[0]
    for wire in waiting:
        while wire.line("what was searched") != "* SEARCH 1":
            pass
        wire.close()


def large_message(size):
    """Two parts; lines of many lengths, some with LF alone, and a NUL."""
    dice = random.Random(size)
    lines = ["x" * dice.randrange(200) + dice.choice(["\r\n", "\n", "\r\r\n"])
             for _ in range(size // 100)]
    part = "".join(lines).encode()
    return (b"Subject: large\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
            b"first\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + part
            + b"\r\n--b--\r\n")


def piece_of(session, section, first, count):
    item = f"BODY.PEEK[{section}]<{first}.{count}>"
    return ok(session.fetch("1", f"({item})"))[0][1]


@pytest.mark.parametrize("section", ["", "TEXT", "2"])
def test_pieces_are_those_of_the_whole(mail, section):
    dice = random.Random(section)
    with selected(mail) as session:
        ok(session.append("INBOX", None, None, large_message(400000)))
        ok(session.append("INBOX", None, None, large_message(1000)))
        whole = ok(session.fetch("1", f"(BODY.PEEK[{section}])"))[0][1]
        at = 0
        while at < len(whole):
            count = dice.randrange(1, 30000)
            assert piece_of(session, section, at, count) == whole[
                at:at + count]
            if dice.randrange(5) == 0:
                other = dice.randrange(len(whole))
                assert piece_of(session, section, other, 10) == whole[
                    other:other + 10]
                ok(session.fetch("2", f"(BODY.PEEK[{section}]<3.4>)"))
            at += count
        assert piece_of(session, section, len(whole) + 5, 10) == b""


@pytest.mark.parametrize("section", ["", "2"])
def test_a_large_message_that_comes_in_pieces_is_read_once(mail, section):
    size = 8 << 20
    with selected(mail) as session:
        ok(session.append("INBOX", None, None, large_message(size)))
        workers = mail.pids("imap")

        def bytes_read():
            return sum(int(re.search(r"rchar: (\d+)", pathlib.Path(
                f"/proc/{pid}/io").read_text()).group(1)) for pid in workers)

        begun = bytes_read()
        at = 0
        while piece := piece_of(session, section, at, 65536):
            at += len(piece)
        assert at > size * 0.9
        # Its size is counted, its parts are looked for, and it is sent.
        assert bytes_read() - begun < 8 * size


def test_a_worker_that_dies_takes_its_sessions_and_no_mail(mail):
    mail.trouble_is_expected = True
    wire = log_in(mail)
    mail.send("Subject: one\r\n\r\nx\r\n")
    mail.mailbox("alice").wait(1)
    mail.kill("imap")
    with pytest.raises((WireError, OSError)):
        while True:
            wire.send(b"n NOOP\r\n")
            wire.line("the end")
    with selected(mail) as session:
        assert ok(session.search(None, "ALL")) == [b"1"]


def test_logins_while_authd_or_the_broker_is_away(mail):
    mail.trouble_is_expected = True
    for service in ("broker", "authd"):
        pids = mail.kill(service)
        wait_for(f"another {service}",
                 lambda: set(mail.pids(service)) - set(pids))

        def works():
            try:
                imap(mail).logout()
            except imaplib.IMAP4.error as e:
                assert "UNAVAILABLE" in str(e)
                return False
            return True
        wait_for(f"a login after {service}'s end", works)


def test_many_users_at_once(make_suite):
    mail = suite_with_mailboxes(make_suite)
    names = [f"user{n}" for n in range(20)]
    mail.add_user(*names).write()
    for name in names:
        mail.add_login(address(mail, name), PASSWORD)
    mail.start()
    errors = []

    def work(name):
        try:
            with selected(mail, name) as session:
                for n in range(5):
                    ok(session.append("INBOX", None, None,
                                      message(f"{name} {n}").encode()))
                ok(session.noop())
                found = ok(session.search(None, "SUBJECT", f'"{name} "'))
                assert found == [b"1 2 3 4 5"]
        except Exception as e:
            errors.append((name, e))

    threads = [threading.Thread(target=work, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    assert not errors
