"""Certificates, tables and parameters change while the suite is in use."""
import contextlib
import re
import socket

import load
from mailboxes import PASSWORD, address, trusting
from suite import PATIENCE, make_certificate, wait_for
from wire import Wire

USERS = [f"user{n}" for n in range(10)]
IMAP = 200  # sessions, every second one by TLS
TOTAL = 2000
CLIENTS = 20


def connect(suite, n):
    """A session of IMAP that waits for news."""
    tls = n % 2 == 1
    raw = socket.create_connection(
        (suite.addr, suite.port("imaps" if tls else "imap")), PATIENCE)
    wire = Wire(trusting().wrap_socket(raw, server_hostname="x")
                if tls else raw)
    wire.line("a greeting")
    user = USERS[n % len(USERS)]
    wire.send(f'a LOGIN {address(suite, user)} "{PASSWORD}"\r\n'
              "b SELECT INBOX\r\nc IDLE\r\n".encode())
    while not wire.line("the + of IDLE").startswith("+ "):
        pass
    return wire


def is_told(wire, count):
    """Of so many messages; False: it was said goodbye to."""
    while (line := wire.line(f"{count} EXISTS")):
        if line.startswith("* BYE"):
            return False
        if line.startswith(f"* {count} EXISTS"):
            return True
    raise AssertionError("a session was lost without a word")


def suite_in_use(make_suite):
    suite = make_suite(users=USERS, imapd_tls_auth_only="no",
                       mail_max_userip_connections="1000").with_tls()
    suite.with_auth(**{user: PASSWORD for user in USERS}).with_mailboxes()
    suite.set(smtpd_relay_restrictions="permit_mynetworks, "
                                       "reject_unauth_destination",
              smtpd_sender_restrictions=f"check_sender_access "
                                        f"texthash:{suite.etc}/senders")
    suite.files["senders"] = "nobody@client.test REJECT\n"
    return suite.start()


def generation(suite, service):
    """The number that status shows, of the service of a port."""
    out = suite.run("postrider", "-c", suite.etc, "status").stdout
    return int(re.search(rf"^\S+:{suite.port(service)} +\d+ +(\d+) ", out,
                         re.M)[1])


def change_parameter(suite, value):
    suite.set(smtpd_banner=f"$myhostname ESMTP {value}").write()
    suite.reload()


def test_changes_under_load_lose_nothing(make_suite):
    suite = suite_in_use(make_suite)
    before = {name: generation(suite, name) for name in ("smtp", "imaps")}

    def renew():
        make_certificate(suite.etc / "cert.pem", "mail.example.test",
                         suite.addr)
        suite.log.wait(r"cert\.pem has changed: the workers of service \S+ "
                       "are replaced$", "master")

    def change_table():
        suite.files["senders"] = "someone@client.test REJECT\n"
        suite.write()
        suite.log.wait(rf"senders has changed: the workers of service \S+:"
                       rf"{suite.smtp[1]} are replaced$", "master")

    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(connect(suite, n))
                    for n in range(IMAP)]
        clients = load.Load(suite, TOTAL, CLIENTS, users=USERS)
        # Two changes of what imapd reads: with the first there are three
        # generations of it, and so nobody has to go.
        for part, change in enumerate((
                renew, change_table,
                lambda: change_parameter(suite, "other")), 1):
            clients.wait_accepted(TOTAL * part // 5)
            change()
        accepted = clients.finish()
        assert len(accepted) == TOTAL
        assert not clients.broken and not clients.refused, clients.describe()
        suite.wait_empty(120)
        assert load.check(suite, accepted, at_most=1) == 0
        counts = [len(suite.mailbox(user).paths()) for user in USERS]
        gone = [n for n, wire in enumerate(sessions)
                if not is_told(wire, counts[n % len(USERS)])]
        assert not gone
    assert generation(suite, "smtp") == before["smtp"] + 3
    assert generation(suite, "imaps") == before["imaps"] + 2
    with suite.wire() as wire:
        assert "other" in wire.expect(220).text


def connect_to_newer(suite, seen):
    """By TLS, to a worker that is none of those; a generation takes a moment."""
    logins = len(suite.log.find("^imap-login: Login:"))

    def connected():
        nonlocal logins
        wire = connect(suite, 1)
        logins += 1
        suite.log.wait("^imap-login: Login:", count=logins)
        pid = re.findall(r"dovecot\[(\d+)\]: imap-login: Login:",
                         suite.log.text())[-1]
        if pid not in seen:
            seen.add(pid)
            return wire
        wire.close()
        return None
    return wait_for("a newer worker", connected)


def test_of_four_generations_the_oldest_ends(make_suite):
    """Its sessions by TLS are told; those in the clear are none of its own."""
    suite = suite_in_use(make_suite)
    seen = set()
    with contextlib.ExitStack() as stack:
        clear = stack.enter_context(connect(suite, 0))
        sessions = []
        for n in range(1, 5):
            sessions.append(stack.enter_context(connect_to_newer(suite, seen)))
            seen |= set(map(str, suite.pids("imapd")))
            change_parameter(suite, n)
        assert sessions[0].line("goodbye").startswith("* BYE ")
        sessions.append(connect_to_newer(suite, seen))
        for wire in (clear, *sessions[2:]):
            wire.send(b"DONE\r\n")
            assert wire.line("the end of IDLE").startswith("c OK")
