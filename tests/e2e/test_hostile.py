"""Clients of IMAP and POP3 that mean no good; numbers are those of threats."""
import base64
import re
import socket
import threading
import time

import pytest

from mailboxes import (PASSWORD, address, imap, ok, selected,
                       suite_with_mailboxes, trusting)
from suite import PATIENCE
from wire import Wire, WireError

MORE_KIB = 8 * 1024  # that a program may grow by


@pytest.fixture
def mail(make_suite):
    return suite_with_mailboxes(make_suite).start()


def tls(suite, service="imaps"):
    raw = socket.create_connection((suite.addr, suite.port(service)),
                                   timeout=PATIENCE)
    wire = Wire(trusting().wrap_socket(raw))
    wire.line("a greeting")
    return wire


def logged_in(suite, user="alice"):
    wire = tls(suite)
    assert command(wire, f'l LOGIN {address(suite, user)} "{PASSWORD}"')[-1] \
        .startswith("l OK")
    assert command(wire, "s SELECT INBOX")[-1].startswith("s OK")
    return wire


def command(wire, text):
    tag = text.split()[0]
    wire.send(text.encode("latin-1") + b"\r\n")
    lines = []
    while not lines or not lines[-1].startswith((tag + " ", "* BYE", "* BAD")):
        lines.append(wire.line(f"the answer to {text[:60]}"))
    return lines


def memory(suite, program):
    """KiB of a program's processes."""
    total = 0
    for pid in suite.pids(program):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            total += int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
    return total


def flood(wire, piece, limit):
    """Sends until it is cut off, at most `limit` bytes; returns how many."""
    sent = 0
    try:
        while sent < limit:
            wire.socket.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


def test_starttls_twice_and_after_login(mail):
    """TLSX 04."""
    wire = Wire((mail.addr, mail.port("imap")))
    wire.line("a greeting")
    assert command(wire, "a STARTTLS")[-1].startswith("a OK")
    wire.starttls()
    assert command(wire, "b STARTTLS")[-1].startswith("b BAD")
    assert command(wire, f'c LOGIN {address(mail, "alice")} "{PASSWORD}"')[-1] \
        .startswith("c OK")
    assert command(wire, "d STARTTLS")[-1].startswith("d BAD")
    assert command(wire, "e LOGIN x y")[-1].startswith("e BAD")
    assert command(wire, "f NOOP")[-1].startswith("f OK")
    wire = Wire((mail.addr, mail.port("pop3")))
    wire.line("a greeting")
    wire.send(b"STLS\r\n")
    assert wire.line("STLS").startswith("+OK")
    wire.starttls()
    wire.send(b"STLS\r\n")
    assert wire.line("STLS again").startswith("-ERR")
    wire.send(f"USER {address(mail, 'alice')}\r\nPASS {PASSWORD}\r\nSTLS\r\n"
              .encode())
    answers = [wire.line("an answer")[:4] for _ in range(3)]
    assert answers == ["+OK", "+OK ", "-ERR"] or answers[2] == "-ERR"


@pytest.mark.parametrize("begin, piece", [
    (b"a LOGIN (", b"(" * 65536),
    (b"", b"x" * 65536),
    (b"a LOGIN {4294967296}\r\n", b"y" * 65536),
    (b"a LOGIN {4294967295+}\r\n", b"y" * 65536),
    (b"", b"a LOGIN {9+}\r\n123456789 {9+}\r\n" * 2000),
    (b"a AUTHENTICATE PLAIN ", b"A" * 65536),
], ids=["parentheses", "tag", "literal", "literal+", "literals", "response"])
def test_floods_before_the_login(make_suite, begin, piece):
    """DOS 02: cut off, or refused; nobody keeps what was sent."""
    mail = suite_with_mailboxes(make_suite)
    mail.sanitizers = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
    mail.start()
    imap(mail).logout()
    before = memory(mail, "imapd")
    wire = tls(mail)
    wire.socket.sendall(begin)
    flood(wire, piece, 64 << 20)
    assert memory(mail, "imapd") < before + MORE_KIB
    imap(mail).logout()
    wire.close()


def test_junk_to_authenticate_delays_nobody(mail):
    """DOS 03."""
    stop = threading.Event()
    refused = []

    def junk():
        text = base64.b64encode(b"\0" + b"j" * 60 + b"\0" + b"k" * 60)
        while not stop.is_set():
            try:
                wire = tls(mail)
                wire.send(b"a AUTHENTICATE PLAIN " + text + b"\r\n")
                refused.append(wire.line("a refusal"))
                wire.close()
            except (OSError, WireError):
                pass

    threads = [threading.Thread(target=junk) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            with selected(mail) as session:
                ok(session.noop())
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert refused and all(" NO " in line for line in refused)


def test_huge_commands_hinder_nobody(mail):
    """DOS 04: each is refused or answered, and others go on meanwhile."""
    with selected(mail) as session:
        for n in range(3):
            ok(session.append("INBOX", None, None,
                              b"Subject: %d\r\n\r\nx\r\n" % n))
    wire = logged_in(mail)
    sections = " ".join(f"BODY.PEEK[{n}]" for n in range(1, 5000))
    nested = "NOT " * 10000 + "SEEN"
    brackets = "(" * 10000 + "SEEN" + ")" * 10000
    many = ",".join(["1:*"] * 12000)
    for number, text in enumerate((f"FETCH 1 ({sections})",
                                   f"SEARCH {nested}",
                                   f"SEARCH {brackets}",
                                   f"FETCH {many} (FLAGS)",
                                   f"UID SEARCH UID {many}",
                                   "SEARCH " + "OR SEEN " * 9000 + "SEEN",
                                   "STORE 1 +FLAGS (" + "k" * 60000 + ")",
                                   "SEARCH HEADER " + "h" * 60000 + " x")):
        begun = time.monotonic()
        answer = command(wire, f"n{number} {text}")[-1]
        took = time.monotonic() - begun
        assert answer.startswith((f"n{number} BAD", f"n{number} NO",
                                  f"n{number} OK", "* BYE")), answer
        assert took < PATIENCE / 2
        if answer.startswith("* BYE"):
            wire = logged_in(mail)
    with selected(mail) as session:
        assert ok(session.search(None, "ALL")) == [b"1 2 3"]


def test_names_of_others_are_as_missing_ones(mail):
    """AUTHZ 08: no command tells whether somebody else's mailbox is there."""
    with selected(mail, "bob") as session:
        ok(session.create("Secret"))
        ok(session.append("INBOX", None, None, b"Subject: s\r\n\r\nx\r\n"))
    wire = logged_in(mail)
    pairs = [("../bob/.Secret", "../bob/.Nothing"),
             ("../bob", "../nobody"),
             ("bob.Secret", "bob.Nothing"),
             ("/example.test/bob", "/example.test/nobody"),
             (f"{address(mail, 'bob')}", "nobody@example.test"),
             ("~bob/INBOX", "~nobody/INBOX"),
             (".Secret", ".Nothing"), ("..Secret", "..Nothing")]
    texts = ["SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "DELETE {}",
             "RENAME {} Stolen", "COPY 1:* {}", "LIST \"\" {}",
             "LSUB \"\" {}"]
    for there, missing in pairs:
        for text in texts:
            answers = []
            for name in (there, missing):
                assert command(wire, "r SELECT INBOX")[-1].startswith("r OK")
                lines = command(wire, "x " + text.format(f'"{name}"'))
                answers.append([line.replace(name, "NAME") for line in lines])
            assert answers[0] == answers[1], (text, there)
            assert not any("Secret" in line for line in answers[0])
    with selected(mail, "bob") as session:
        assert ok(session.status("Secret", "(MESSAGES)"))
        assert ok(session.search(None, "ALL")) == [b"1"]
