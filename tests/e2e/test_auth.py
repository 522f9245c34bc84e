"""AUTH: who may log in, how that is told, and what is never written down."""
import base64
import os
import re
import select
import smtplib
import ssl
import subprocess
import time

import pytest

from suite import PATIENCE, wait_for

MESSAGE = "Subject: by AUTH\r\n\r\nhello\r\n"
SECRET = "correct horse 7 battery"
WRONG = "incorrect-staple-9"


def context():
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def b64(text):
    return base64.b64encode(text.encode()).decode()


def plain(user, password, other=""):
    return b64(f"{other}\0{user}\0{password}")


@pytest.fixture
def auth(make_suite):
    suite = make_suite().with_auth(alice=SECRET)
    return suite.set(smtpd_sasl_authenticated_header="yes").start()


def test_who_logs_in_may_relay_and_the_log_says_who(auth):
    with smtplib.SMTP(*auth.smtp, "client.test", timeout=PATIENCE) as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        smtp.login("Alice@Example.test", SECRET)
        assert smtp.rcpt("x@else.test")[0] == 503
        smtp.mail("alice@example.test")
        assert smtp.rcpt("x@else.test")[0] == 250
        smtp.rset()
        smtp.sendmail("alice@example.test", "alice@example.test", MESSAGE)
    received = auth.mailbox("alice").wait(1)[0].header("Received")
    assert re.search(r"\(Authenticated sender: alice@example\.test\) by .* "
                     r"with ESMTPA id", received)
    auth.log.wait(r"^\w+: client=\S+\[127\.\S+\], sasl_method=PLAIN, "
                  r"sasl_username=alice@example\.test$", "smtpd")
    auth.log.wait(r"^disconnect from .* auth=1 mail=2 ", "smtpd")


def test_login_has_two_challenges(auth):
    wire = auth.session()
    assert wire.command("AUTH LOGIN", 334).text == b64("Username:")
    assert wire.command(b64("alice@example.test"), 334).text == \
        b64("Password:")
    wire.command(b64(SECRET), 235, "2.7.0")
    wire.command("AUTH PLAIN", 503, "5.5.1")
    wire.command("RSET", 250)
    wire.command("QUIT", 221)


def test_refusals_are_those_of_the_rfc_and_fail2ban_reads_them(auth):
    wire = auth.session()
    wire.command(f"AUTH PLAIN {plain('alice@example.test', WRONG)}", 535,
                 "5.7.8")
    wire.command(f"AUTH PLAIN {plain('nobody@example.test', WRONG)}", 535,
                 "5.7.8")
    who = plain("alice@example.test", SECRET, "bob@example.test")
    wire.command(f"AUTH PLAIN {who}", 535, "5.7.8")
    wire.command("AUTH", 501, "5.5.4")
    wire.command("AUTH CRAM-MD5", 504, "5.5.4")
    wire.command("AUTH PLAIN ==", 501, "5.5.2")
    wire.command("AUTH PLAIN", 334)
    wire.command("*", 501, "5.7.0")
    wire.command("MAIL FROM:<a@b.test>", 250)
    wire.command("AUTH PLAIN", 503, "5.5.1")
    wire.command("RCPT TO:<x@else.test>", 554, "5.7.1")
    for user in ("alice", "nobody"):
        auth.log.wait(r"^warning: \S+\[127\.0\.0\.1\]: SASL PLAIN "
                      r"authentication failed: authentication failure, "
                      rf"sasl_username={user}@example\.test$", "smtpd")


def test_without_tls_auth_can_be_kept_back(make_suite):
    suite = make_suite().with_tls().with_auth(alice=SECRET)
    suite.set(smtpd_tls_auth_only="yes").start()
    with smtplib.SMTP(*suite.smtp, "client.test", timeout=PATIENCE) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        code, text = smtp.docmd("AUTH", "PLAIN " + plain("a", "b"))
        assert code == 504 and b"Encryption required" in text
        smtp.starttls(context=context())
        smtp.ehlo()
        smtp.login("alice@example.test", SECRET)
        smtp.sendmail("alice@example.test", "alice@example.test", MESSAGE)
    received = suite.mailbox("alice").wait(1)[0].header("Received")
    assert "with ESMTPSA id" in received


def test_authd_away_is_for_a_while_and_no_failure(auth):
    auth.take_away("auth")
    wire = auth.session()
    wire.command(f"AUTH PLAIN {plain('alice@example.test', SECRET)}", 454,
                 "4.7.0")
    assert not auth.log.find(r"authentication failed")
    auth.services["auth"] = "auth unix - - n - 1 authd"
    auth.reload()
    wait_for("authd", lambda: auth.pids("authd"))
    wire.command(f"AUTH PLAIN {plain('alice@example.test', SECRET)}", 235)


def test_authd_that_dies_is_back_at_once(auth):
    wire = auth.session()
    auth.trouble_is_expected = True
    auth.kill("authd")
    wire.command(f"AUTH PLAIN {plain('alice@example.test', SECRET)}", 235)


def test_what_postuser_changes_counts_at_once(auth):
    def login(user, password, code):
        with auth.session() as wire:
            wire.command(f"AUTH PLAIN {plain(user, password)}", code)

    login("alice@example.test", SECRET, 235)
    auth.run("postuser", "passwd", "alice@example.test", stdin=b"other one\n")
    login("alice@example.test", SECRET, 535)
    login("alice@example.test", "other one", 235)
    auth.add_login("carol", "pw", "-s", "BLF-CRYPT", "allow=imap,pop3")
    login("carol", "pw", 535)
    auth.add_login("dave", "pw", "-s", "SSHA", "uid=5000", "allow=imap,smtp")
    login("dave", "pw", 235)
    assert auth.run("postuser", "list").stdout == \
        "alice@example.test\ncarol allow=imap,pop3\n" \
        "dave uid=5000 allow=imap,smtp\n"
    auth.run("postuser", "del", "dave")
    login("dave", "pw", 535)
    assert auth.run("postuser", "add", "carol", stdin=b"pw\n",
                    ok=False).returncode != 0
    assert os.stat(auth.etc / "users").st_mode & 0o777 == 0o640


def test_a_value_that_is_no_hash_refuses_and_is_logged(auth):
    with (auth.etc / "users").open("a") as f:
        f.write(f"eve {SECRET.split()[0]}\n")
    with auth.session() as wire:
        wire.command(f"AUTH PLAIN {plain('eve', SECRET.split()[0])}", 535)
    auth.log.wait(r"^warning: texthash:\S+: user eve: .*\{SCHEME\}", "authd")


def test_users_may_stand_in_lmdb(make_suite):
    suite = make_suite().with_auth()
    suite.set(auth_user_maps=f"lmdb:{suite.etc}/users").write()
    suite.add_login("alice", SECRET)
    suite.start()
    with suite.session() as wire:
        wire.command(f"AUTH PLAIN {plain('alice', SECRET)}", 235)
    suite.run("postuser", "passwd", "alice", stdin=b"another\n")
    with suite.session() as wire:
        wire.command(f"AUTH PLAIN {plain('alice', SECRET)}", 535)
        wire.command(f"AUTH PLAIN {plain('alice', 'another')}", 235)


def test_a_flood_of_one_client_does_not_delay_another(auth):
    auth.add_login("slow", "pw")
    auth.set(auth_failure_delay="30s", auth_failure_delay_max="30s")
    auth.reload()
    time.sleep(0.5)  # until authd has taken the new parameters over
    flood = [auth.session(bind="127.0.0.9") for _ in range(40)]
    for i, wire in enumerate(flood):
        guess = plain("alice@example.test", f"no{i}")
        wire.send(f"AUTH PLAIN {guess}\r\n".encode())
    begun = time.monotonic()
    with auth.session(bind="127.0.0.8") as wire:
        wire.command(f"AUTH PLAIN {plain('slow', 'pw')}", 235)
    assert time.monotonic() - begun < 5
    # What is too much of the one is no "wrong password".

    def told():
        return select.select([w.socket for w in flood], [], [], 0)[0]
    wait_for("half of them to be told", lambda: len(told()) == 20)
    early = told()
    assert {w.reply().code for w in flood if w.socket in early} == {454}


def test_no_secret_is_written_anywhere(auth):
    with auth.session() as wire:
        wire.command(f"AUTH PLAIN {plain('alice@example.test', WRONG)}", 535)
        wire.command("AUTH LOGIN", 334)
        wire.command(b64("alice@example.test"), 334)
        wire.command(b64(WRONG), 535)
        wire.command(f"AUTH PLAIN {plain('alice@example.test', SECRET)}", 235)
        wire.command("MAIL FROM:<alice@example.test>", 250)
        wire.command("RCPT TO:<alice@example.test>", 250)
        wire.command("DATA", 354)
        wire.command("Subject: x\r\n\r\nx\r\n.", 250)
        wire.command("QUIT", 221)
    auth.mailbox("alice").wait(1)
    secrets = []
    for word in (SECRET, WRONG):
        secrets += [word, b64(word),
                    plain("alice@example.test", word)]
    for path in auth.dir.rglob("*"):
        if not path.is_file() or path.is_relative_to(auth.commands.parent):
            continue
        text = path.read_bytes().decode("latin-1")
        for secret in secrets:
            assert secret not in text, path


def test_swaks_can_log_in(auth):
    done = subprocess.run(
        ["swaks", "--server", auth.addr, "--port", str(auth.port()), "--auth",
         "LOGIN", "--auth-user", "alice@example.test", "--auth-password",
         SECRET, "--from", "alice@example.test", "--to",
         "alice@example.test"], capture_output=True, timeout=PATIENCE,
        check=False)
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.root
def test_each_kind_of_daemon_has_a_socket_and_nobody_else(auth):
    for folder, gid in (("private", 4002), ("login", 4003)):
        found = os.stat(auth.queue_dir / folder / "auth")
        assert found.st_gid == gid and found.st_mode & 0o777 == 0o660
        assert os.stat(auth.queue_dir / folder).st_mode & 0o777 == 0o710


def test_nobody_sends_as_somebody_else(make_suite):
    suite = make_suite().with_auth(alice=SECRET)
    suite.files["owners"] = "alice@example.test alice@example.test\n" \
                            "bob@example.test bob@example.test\n"
    suite.set(smtpd_sender_login_maps=f"texthash:{suite.etc}/owners",
              smtpd_sender_restrictions="reject_sender_login_mismatch",
              sandbox="enforce").start()
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@example.test>", 250)
        assert "not logged in" in wire.command("RCPT TO:<alice@example.test>",
                                               553, "5.7.1").text
        wire.command("RSET", 250)
        wire.command(f"AUTH PLAIN {plain('alice@example.test', SECRET)}", 235)
        wire.command("MAIL FROM:<bob@example.test>", 250)
        assert "not owned by user alice@example.test" in wire.command(
            "RCPT TO:<alice@example.test>", 553, "5.7.1").text
        wire.command("RSET", 250)
        wire.command("MAIL FROM:<alice+tag@example.test>", 250)
        wire.command("RCPT TO:<alice@example.test>", 553)
        wire.command("RSET", 250)
        wire.command("MAIL FROM:<alice@example.test>", 250)
        wire.command("RCPT TO:<alice@example.test>", 250)
