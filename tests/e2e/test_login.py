"""Who logs in by IMAP or POP3, how he gets to his mailbox, and what is logged."""
import base64
import os
import poplib
import re
import socket
import time

import pytest

from mailboxes import PASSWORD, address, pop3, suite_with_mailboxes, trusting
from suite import PATIENCE, is_root, wait_for

FAILED = (r"Disconnected: [^(]+\(auth failed, {n} attempts in \d+ secs\): "
          r"user=<{user}>, method=PLAIN, rip=127\.0\.0\.1, lip=[\d.]+{more}, "
          r"session=<\S+>$")


@pytest.fixture
def suite(make_suite):
    return suite_with_mailboxes(make_suite).start()


class Client:
    """A bare connection."""

    def __init__(self, suite, service, tls=False, source=None):
        self.socket = socket.create_connection(
            (suite.addr, suite.port(service)), PATIENCE,
            source_address=(source, 0) if source else None)
        if tls:
            self.socket = trusting().wrap_socket(self.socket)

    def send(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            more = self.socket.recv(1)
            if not more:
                return line.decode() or None
            line += more
        return line.decode().rstrip("\r\n")

    def ask(self, text):
        self.send(text)
        return self.line()

    def eof(self):
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionError:
            pass
        return True

    def starttls(self):
        self.socket = trusting().wrap_socket(self.socket)

    def close(self):
        self.socket.close()


def log_in(client, user, password=PASSWORD):
    client.ask(f"USER {user}")
    return client.ask(f"PASS {password}")


def test_a_login_reaches_its_mailbox_and_the_log_is_dovecots(suite):
    suite.send("Subject: hello\n\nhello\n")
    suite.wait_empty()
    session = pop3(suite)
    assert session.stat()[0] == 1
    assert b"Subject: hello" in session.retr(1)[1]
    session.quit()
    found = suite.log.wait(
        r"^pop3-login: Login: user=<alice@example\.test>, method=PLAIN, "
        r"rip=127\.0\.0\.1, lip=[\d.]+, mpid=(\d+), TLS, session=<(\S+)>$",
        "dovecot")
    suite.log.wait(rf"^pop3\(alice@example\.test\)<{found[1]}>"
                   rf"<{re.escape(found[2])}>: ", "dovecot")


def test_bytes_said_in_advance_are_not_lost(suite):
    for tls in (True, False):
        client = Client(suite, "pop3s" if tls else "pop3", tls,
                        None if tls else suite.addr)
        client.send(f"USER {address(suite, 'alice')}\r\nPASS {PASSWORD}\r\n"
                    "STAT\r\nNOOP\r\nQUIT")
        lines = [client.line() for _ in range(6)]
        assert all(line.startswith("+OK") for line in lines), lines
        assert client.eof()
    suite.log.wait(r"Login: .* mpid=\d+, secured, session=")


def test_commands_said_in_advance_are_imaps_too(suite):
    for tls in (True, False):
        client = Client(suite, "imaps" if tls else "imap", tls,
                        None if tls else suite.addr)
        client.send(f"a1 LOGIN {address(suite, 'alice')} \"{PASSWORD}\"\r\n"
                    "a2 SELECT INBOX\r\na3 LOGOUT")
        lines = []
        while (line := client.line()) is not None:
            lines.append(line)
        tagged = [line for line in lines if line.startswith("a")]
        assert [line[:5] for line in tagged] == ["a1 OK", "a2 OK", "a3 OK"]
    suite.log.wait(r"^imap-login: Login: user=<alice@example\.test>, "
                   r"method=PLAIN, .*, TLS, session=<\S+>$", "dovecot")
    suite.log.wait(r"^imap-login: Login: .*, secured, session=<\S+>$",
                   "dovecot")


def test_passwords_come_with_tls_or_from_here(suite):
    client = Client(suite, "pop3")
    assert client.line().startswith("+OK")
    assert client.ask("USER alice").startswith("-ERR [AUTH]")
    client.close()
    suite.log.wait(r"^pop3-login: Disconnected: Connection closed "
                   r"\(tried to use disallowed plaintext auth\): user=<>, "
                   r"rip=127\.0\.0\.1, lip=[\d.]+, session=<\S+>$")
    client = Client(suite, "pop3")
    client.line()
    assert client.ask("STLS").startswith("+OK")
    client.starttls()
    assert log_in(client, address(suite, "alice")).startswith("+OK")
    client.close()


def test_what_was_said_before_tls_ends_it(suite):
    client = Client(suite, "pop3")
    client.line()
    client.send("STLS\r\nUSER mallory")
    assert client.eof()
    imap = Client(suite, "imap")
    imap.line()
    imap.send("a STARTTLS\r\nb NOOP")
    assert imap.eof()
    suite.log.wait("there was more before TLS began", count=2)


def test_wrong_passwords_are_told_to_fail2ban(suite):
    for user, name in (("alice", "alice@example.test"),
                       ("nobody", "nobody@example.test")):
        client = Client(suite, "pop3s", tls=True)
        client.line()
        assert log_in(client, address(suite, user), "no").startswith(
            "-ERR [AUTH]")
        assert client.ask("QUIT").startswith("+OK")
        client.close()
        suite.log.wait("^pop3-login: " + FAILED.format(
            n=1, user=re.escape(name), more=", TLS"), "dovecot")
    client = Client(suite, "imaps", tls=True)
    client.line()
    assert client.ask(f"a LOGIN {address(suite, 'alice')} no").startswith(
        "a NO [AUTHENTICATIONFAILED]")
    client.close()
    suite.log.wait("^imap-login: " + FAILED.format(
        n=1, user=r"alice@example\.test", more=", TLS"), "dovecot")


def test_nobody_logs_in_as_another(suite):
    text = f"{address(suite, 'bob')}\0{address(suite, 'alice')}\0{PASSWORD}"
    client = Client(suite, "pop3s", tls=True)
    client.line()
    assert client.ask("AUTH PLAIN " + base64.b64encode(
        text.encode()).decode()).startswith("-ERR [AUTH]")
    client.close()


def test_a_service_that_is_not_allowed_is_a_wrong_password(suite):
    suite.add_login("carol@example.test", "pw", "allow=smtp")
    client = Client(suite, "pop3s", tls=True)
    client.line()
    assert log_in(client, "carol@example.test", "pw") == \
        "-ERR [AUTH] Authentication failed."


def test_a_user_without_a_mailbox_is_told_to_come_back(suite):
    suite.add_login("dora@example.test", "pw")
    client = Client(suite, "pop3s", tls=True)
    client.line()
    assert log_in(client, "dora@example.test", "pw").startswith(
        "-ERR [SYS/TEMP]")
    suite.log.wait("error: no session for user dora@example.test: "
                   "nothing says where the user's mail lies")


def test_the_broker_away_is_for_a_while(suite):
    suite.trouble_is_expected = True
    session = pop3(suite)
    suite.kill("broker")
    assert session.stat()[0] == 0, "who is in goes on"
    session.quit()
    again = pop3(suite)
    assert again.stat()[0] == 0
    again.quit()


def test_each_owner_has_processes_of_his_own(make_suite):
    suite = suite_with_mailboxes(make_suite,
                                 mail_worker_isolation="user").start()
    alice, bob = pop3(suite), pop3(suite, "bob")
    pids = suite.pids("pop3")
    assert len(pids) == 2
    other = pop3(suite, "bob")
    assert suite.pids("pop3") == pids
    if is_root():
        assert {os.stat(f"/proc/{pid}").st_uid for pid in pids} == {5000}
    for session in (alice, bob, other):
        session.close()


def test_sessions_of_a_user_from_one_address_are_counted(make_suite):
    suite = suite_with_mailboxes(
        make_suite, mail_max_userip_connections=2).start()
    first, second = pop3(suite), pop3(suite)
    with pytest.raises(poplib.error_proto):
        pop3(suite)
    other = pop3(suite, "bob")
    first.quit()
    wait_for("room", lambda: can_log_in(suite))
    for session in (second, other):
        session.quit()


def can_log_in(suite):
    try:
        pop3(suite).quit()
    except poplib.error_proto:
        return False
    return True


def test_a_client_that_never_logs_in_is_cut_off(make_suite):
    suite = suite_with_mailboxes(make_suite, pop3d_login_timeout="1s",
                                 pop3d_hard_error_limit=3).start()
    client = Client(suite, "pop3s", tls=True)
    client.line()
    begun = time.monotonic()
    assert client.eof()
    assert time.monotonic() - begun < 10
    suite.log.wait(r"Disconnected: Inactivity \(no auth attempts in 1 secs\)")
    slow = Client(suite, "pop3")
    try:
        for _ in range(100):
            slow.socket.sendall(b"N")
            time.sleep(0.1)
    except OSError:
        pass
    suite.log.wait(r"Disconnected: Inactivity", count=2)
    client = Client(suite, "pop3")
    client.line()
    for _ in range(3):
        client.send("XYZZY")
    assert client.eof()
    suite.log.wait(r"Disconnected: Too many invalid commands")


def test_long_lines_and_literals_are_cut_off(suite):
    client = Client(suite, "pop3")
    client.line()
    client.send("USER " + 5000 * "x")
    assert client.eof()
    suite.log.wait("Disconnected: Input buffer full, aborting")
    client = Client(suite, "imap")
    client.line()
    client.send("(" * 1000000)
    assert client.line() == "* BAD Command is too long."
    client.send("a NOOP")
    assert client.line() == "a OK NOOP completed."


def test_connections_that_do_not_log_in_are_counted(make_suite):
    suite = suite_with_mailboxes(
        make_suite, pop3d_client_connection_count_limit=3,
        service_workers=1).start()
    held = [Client(suite, "pop3") for _ in range(3)]
    for client in held:
        assert client.line().startswith("+OK")
    assert Client(suite, "pop3").eof()
    assert Client(suite, "pop3", source="127.0.0.9").line().startswith("+OK")
    held.pop().close()
    wait_for("room", lambda: Client(suite, "pop3").line())


def test_mail_location_and_fields_say_where_mail_lies(make_suite):
    suite = suite_with_mailboxes(make_suite)
    suite.set(mail_location=f"maildir:{suite.mail}/%d/box-%n").start()
    suite.send("Subject: there\n\nthere\n")
    suite.wait_empty()
    assert (suite.mail / "example.test/box-alice/new").is_dir()
    session = pop3(suite)
    assert session.stat()[0] == 1
    session.quit()
    suite.add_login("eve@example.test", "pw",
                    f"mail=maildir:{suite.mail}/example.test/box-alice")
    session = pop3(suite, "eve", "pw")
    assert session.stat()[0] == 1
    session.quit()


def test_new_tables_count_at_once(suite):
    suite.add_login("frank@example.test", "pw")
    with pytest.raises(poplib.error_proto):
        pop3(suite, "frank", "pw")
    suite.add_user("frank").write()
    wait_for("the new table", lambda: can_log_in_as(suite, "frank"))


def can_log_in_as(suite, user):
    try:
        pop3(suite, user, "pw").quit()
    except poplib.error_proto:
        return False
    return True


def test_a_reload_gives_new_sessions_new_processes(suite):
    session = pop3(suite)
    before = suite.pids("pop3")
    suite.reload()
    suite.log.wait("configuration was read anew")
    other = pop3(suite)
    assert set(suite.pids("pop3")) - set(before)
    assert session.stat()[0] == 0
    session.quit()
    other.quit()
    wait_for("the old process to end",
             lambda: not set(before) & set(suite.pids("pop3")))


def test_a_stop_ends_sessions_too(suite):
    clear = Client(suite, "pop3", source=suite.addr)
    clear.line()
    assert log_in(clear, address(suite, "alice")).startswith("+OK")
    session = pop3(suite)
    suite.stop()
    assert clear.eof()
    with pytest.raises((poplib.error_proto, OSError)):
        session.noop()


def test_much_mail_goes_through_the_relay(suite):
    body = "\n".join(f"{i:06d} " + 60 * "x" for i in range(60000))
    folder = suite.mailbox("alice").path / "new"
    suite.send("Subject: small\n\nsmall\n")
    suite.wait_empty()
    path = next(folder.iterdir())
    big = folder / "1.2.big"
    big.write_text("Subject: big\n\n" + body + "\n")
    os.chown(big, path.stat().st_uid, path.stat().st_gid)
    session = pop3(suite)
    sizes = {int(size): int(n) for n, size in
             (line.split() for line in session.list()[1])}
    lines = session.retr(sizes[max(sizes)])[1]
    session.quit()
    assert b"\n".join(lines).decode() == "Subject: big\n\n" + body
