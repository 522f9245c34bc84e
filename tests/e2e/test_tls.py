"""TLS: after STARTTLS, from the start, and when its certificates change."""
import re
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest

from suite import PATIENCE, make_certificate, wait_for
from wire import Wire

MESSAGE = "Subject: by TLS\r\n\r\nsecret\r\n"
ESTABLISHED = (r"^Anonymous TLS connection established from \S+\[127\.\S+\]"
               r"(?: to \S+)?: TLSv1\.3 with cipher TLS_\w+ \(\d+/\d+ bits\) "
               r"key-exchange \w+ server-signature RSA-PSS \(2048 bits\)"
               r" server-digest SHA256$")


def context(**more):
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def tls(make_suite):
    return make_suite().with_tls().start()


def secure(suite, name=None, made=None):
    """A connection by TLS from the start, before its greeting was read."""
    wire = Wire((suite.addr, suite.port("submissions")))
    wire.socket = (made or context()).wrap_socket(
        wire.socket, server_hostname=name)
    return wire


def certificate(suite, name=None):
    with secure(suite, name) as wire:
        return wire.socket.getpeercert(binary_form=True)


def der(path):
    text = path.read_text().split("-----BEGIN CERT")[1]
    return ssl.PEM_cert_to_DER_cert("-----BEGIN CERT" + text[:text.index(
        "-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")


def test_mail_goes_through_starttls_and_says_so(tls):
    with smtplib.SMTP(*tls.smtp, "client.test", timeout=PATIENCE) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("starttls")
        smtp.starttls(context=context())
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        smtp.sendmail("bob@client.test", "alice@example.test", MESSAGE)
    message = tls.mailbox("alice").wait(1)[0]
    received = message.header("Received")
    assert re.search(
        r"^from client\.test \(\S+ \[127\.0\.0\.1\]\) "
        r"\(using TLSv1\.3 with cipher TLS_\w+ \(\d+/\d+ bits\) +key-exchange "
        r"\w+ server-signature RSA-PSS \(2048 bits\) server-digest SHA256\) "
        r"\(No client certificate requested\) by mail\.example\.test "
        r"\(\w+\) with ESMTPS id \w+ for <alice@example\.test>; ", received)
    # Who is no client of ours gets his mail through as he wrote it.
    assert not message.headers("Date") and not message.headers("Message-ID")
    tls.log.wait(ESTABLISHED, "smtpd")
    assert tls.log.wait(r"^disconnect from .* starttls=1 ", "smtpd")


def test_submission_wants_tls_and_completes_what_is_missing(tls):
    wire = Wire((tls.addr, tls.port("submission")))
    wire.expect(220)
    assert wire.command("EHLO client.test", 250).has("STARTTLS")
    wire.command("MAIL FROM:<bob@client.test>", 530, "5.7.0")
    wire.command("STARTTLS", 220, "2.0.0")
    wire.starttls()
    wire.command("MAIL FROM:<bob@client.test>", 250)
    wire.command("RCPT TO:<alice@example.test>", 250)
    wire.command("DATA", 354)
    wire.send(b"Subject: bare\r\n\r\nx\r\n.\r\n")
    queue_id = re.search(r"queued as (\w+)", wire.expect(250).text)[1]
    wire.command("STARTTLS", 554, "5.5.1")
    wire.command("QUIT", 221)
    wire.eof()
    wire.close()
    message = tls.mailbox("alice").wait(1)[0]
    assert message.header("From") == "bob@client.test"
    assert re.fullmatch(r"\w{3}, +\d+ \w{3} \d{4} [\d:]{8} \+0000 \(UTC\)",
                        message.header("Date"))
    message_id = message.header("Message-Id")
    assert re.fullmatch(rf"<\d{{14}}\.{queue_id}@mail\.example\.test>",
                        message_id)
    assert message.lines[-3:] == [f"From: bob@client.test", "", "x"]
    tls.log.wait(rf"^{queue_id}: message-id={re.escape(message_id)}$")
    assert tls.log.lines("postfix/submission/smtpd")


def test_mail_of_who_logged_in_is_completed(make_suite):
    suite = make_suite(local_header_rewrite_clients=
                       "permit_sasl_authenticated")
    suite.with_tls().with_auth(alice="a password").start()
    for user in (None, "alice@example.test"):
        with smtplib.SMTP(*suite.smtp, "client.test",
                          timeout=PATIENCE) as smtp:
            smtp.starttls(context=context())
            if user:
                smtp.login(user, "a password")
            smtp.sendmail("alice@example.test", "bob@example.test", MESSAGE)
    for message in suite.mailbox("bob").wait(2):
        complete = "ESMTPSA" in message.header("Received")
        assert bool(message.headers("Date")) == complete
        assert bool(message.headers("From")) == complete


def test_submissions_speaks_tls_from_the_start(tls):
    with smtplib.SMTP_SSL(tls.addr, tls.port("submissions"), "client.test",
                          context=context(), timeout=PATIENCE) as smtp:
        assert not smtp.has_extn("starttls")
        smtp.sendmail("bob@client.test", "alice@example.test",
                      "Date: today\r\nFrom: me\r\nMessage-ID: <1@x>\r\n"
                      + MESSAGE)
    message = tls.mailbox("alice").wait(1)[0]
    assert message.headers("Date") == ["today"]
    assert message.headers("Message-ID") == ["<1@x>"]


def test_other_clients_speak_it(tls):
    for port, words in (("submission", ["--tls"]),
                        ("submissions", ["--tls-on-connect"])):
        subprocess.run(["swaks", "--server", tls.addr, "--port",
                        str(tls.port(port)), "--from", "bob@client.test",
                        "--to", "alice@example.test", "--silent", "2", *words],
                       check=True, timeout=PATIENCE)
    assert len(tls.mailbox("alice").wait(2)) == 2
    done = subprocess.run(
        ["openssl", "s_client", "-connect",
         f"{tls.addr}:{tls.port('submission')}", "-starttls", "smtp",
         "-quiet", "-crlf"], input=b"EHLO x\nQUIT\n",
        capture_output=True, timeout=PATIENCE, check=False)
    assert b"250 DSN" in done.stdout and b"221 2.0.0" in done.stdout


def test_what_comes_in_the_clear_with_starttls_ends_the_connection(tls):
    """TLSX 01: not even the 220 comes, and nothing of it is obeyed."""
    wire = tls.session()
    wire.send(b"STARTTLS\r\nNOOP\r\n")
    wire.eof()
    tls.log.wait(r"^improper command pipelining after STARTTLS from "
                 r"\S+\[127\.0\.0\.1\]: NOOP", "smtpd")
    tls.log.wait(r"^lost connection after STARTTLS from ", "smtpd")
    wire = tls.session()
    wire.command("STARTTLS", 220)
    wire.send(b"MAIL FROM:<evil@x.test>\r\n")
    while wire.socket.recv(1024):
        continue
    tls.log.wait(r"^SSL_accept error from \S+\[127\.0\.0\.1\]: \S", "smtpd")


def test_an_http_client_is_refused(tls):
    """TLSX 07, by ALPN; without it a request is a forbidden command."""
    made = context()
    made.set_alpn_protocols(["http/1.1", "h2"])
    with pytest.raises(ssl.SSLError):
        secure(tls, made=made)
    made = context()
    made.set_alpn_protocols(["smtp"])
    with secure(tls, made=made) as wire:
        assert wire.socket.selected_alpn_protocol() == "smtp"
        wire.expect(220)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_are_refused(tls):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure(tls, made=context(maximum_version=ssl.TLSVersion.TLSv1_1))
    with secure(tls, made=context(
            maximum_version=ssl.TLSVersion.TLSv1_2)) as wire:
        wire.expect(220)
        assert wire.socket.version() == "TLSv1.2"


def test_a_name_has_a_certificate_of_its_own(make_suite):
    suite = make_suite().with_tls()
    other = make_certificate(suite.etc / "other.pem", "other.test")
    (suite.etc / "sni").write_text(f"other.test {other}\n.sub.test {other}\n")
    suite.set(tls_server_sni_maps=f"texthash:{suite.etc}/sni").start()
    own = der(suite.etc / "cert.pem")
    for name, expected in (("other.test", der(other)), ("x.test", own),
                           ("a.sub.test", der(other)), (None, own)):
        assert certificate(suite, name) == expected
    suite.log.wait(r"established from \S+ to other\.test: TLSv1\.3 ", "smtpd")


def test_a_renewed_certificate_takes_no_session_away(tls):
    """TLSX 11: renewed while mail is sent all the time, and one is begun."""
    first = certificate(tls)
    begun = secure(tls)
    begun.expect(220)
    begun.command("EHLO client.test", 250)
    begun.command("MAIL FROM:<bob@client.test>", 250)
    begun.command("RCPT TO:<alice@example.test>", 250)
    sent, failed, stop = [], [], threading.Event()

    def send_on():
        while not stop.is_set():
            try:
                with smtplib.SMTP_SSL(tls.addr, tls.port("submissions"),
                                      "client.test", context=context(),
                                      timeout=PATIENCE) as smtp:
                    smtp.sendmail("bob@client.test", "alice@example.test",
                                  MESSAGE)
                sent.append(1)
            except (OSError, smtplib.SMTPException) as e:
                failed.append(e)

    thread = threading.Thread(target=send_on)
    thread.start()
    try:
        renewed = der(make_certificate(tls.etc / "cert.pem",
                                       "mail.example.test"))
        wait_for("the new certificate", lambda: certificate(tls) == renewed, 10)
        before = len(sent)
        wait_for("more mail", lambda: len(sent) > before)
    finally:
        stop.set()
        thread.join()
    assert first != renewed and not failed
    tls.log.wait(r"cert\.pem has changed: the workers of service \S+ are "
                 r"replaced$", "master")
    begun.command("DATA", 354)
    begun.send(b"Subject: begun before\r\n\r\n.\r\n")
    begun.expect(250)
    begun.close()
    tls.mailbox("alice").wait(len(sent) + 1)


def test_a_certificate_that_does_not_fit_changes_nothing(tls):
    tls.trouble_is_expected = True
    path = tls.etc / "cert.pem"
    good = certificate(tls)
    path.write_text("half of a certificate")
    tls.log.wait(r"no key in it", count=2)
    assert certificate(tls) == good
    renewed = der(make_certificate(path, "mail.example.test"))
    wait_for("the new certificate", lambda: certificate(tls) == renewed, 10)


def test_a_changed_table_is_seen(make_suite):
    suite = make_suite()
    table = suite.etc / "access"
    table.write_text("nobody@client.test REJECT\n")
    suite.set(smtpd_sender_restrictions=
              f"check_sender_access texthash:{table}").start()

    def answer():
        with suite.session() as wire:
            wire.command("MAIL FROM:<bob@client.test>", 250)
            return wire.command("RCPT TO:<alice@example.test>").code

    assert answer() == 250
    table.write_text("bob@client.test REJECT\n")
    wait_for("the new table", lambda: answer() == 554, 10)


def test_silence_in_a_handshake_ends(make_suite):
    suite = make_suite(smtpd_starttls_timeout="1s").with_tls().start()
    with socket.create_connection(
            (suite.addr, suite.port("submissions")), PATIENCE) as silent:
        assert silent.recv(1) == b""
    suite.log.wait(r"^SSL_accept error from \S+: timeout$", "smtpd")
    suite.log.wait(r"^lost connection after CONNECT from ", "smtpd")
