"""What senders ask to be told (RFC 3461): kept, told here, or passed on."""
import email
import email.policy
import re
import smtplib

import pytest

from nexthop import NextHop
from suite import PORT_BASE, own_address

OURS = "127.0.0.2"  # may relay
NO_DSN = ("PIPELINING", "SIZE 10240000", "8BITMIME")


def submit(suite, to, mail=(), rcpt=()):
    """Sends a message with parameters of MAIL and RCPT."""
    with smtplib.SMTP(*suite.smtp, local_hostname="client.test", timeout=30,
                      source_address=(OURS, 0)) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("dsn")
        assert smtp.mail("alice@example.test", list(mail))[0] == 250
        assert smtp.rcpt(to, list(rcpt))[0] == 250
        code, text = smtp.data("Subject: told\r\n\r\nthe text\r\n")
        assert code == 250
        return re.search(rb"queued as (\w+)", text)[1].decode()


def read(message):
    """(subject, fields of the message, of its recipients, original part)."""
    parsed = email.message_from_bytes(message.data,
                                      policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    _, status, original = parsed.iter_parts()
    groups = status.get_payload()
    return parsed["Subject"], groups[0], groups[1:], original


@pytest.fixture
def sender(make_suite):
    """sender(HOP, LMTP): a suite whose mail goes out to it."""
    def make(hop, lmtp=False, **params):
        suite = make_suite(**params)
        suite.services["relay-out"] = "smtp unix - - n - 100 smtp"
        suite.services["lmtp"] = "lmtp unix - - n - 100 lmtp"
        suite.set(smtp_tcp_port=PORT_BASE + 25, sandbox="enforce")
        if lmtp:
            suite.set(default_transport=f"lmtp:inet:{hop.hop}")
        else:
            suite.set(relayhost=hop.hop)
        return suite.start()
    return make


def test_who_asks_is_told_of_a_delivery(suite):
    submit(suite, "bob@example.test", ["RET=FULL", "ENVID=x+2By+20z"],
           ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;b+2Bb@old.test"])
    suite.mailbox("bob").wait(1)
    subject, whole, (rcpt,), original = read(suite.mailbox("alice").wait(1)[0])
    assert subject == "Successful Mail Delivery Report"
    assert whole["Original-Envelope-Id"] == "x+y z"
    assert rcpt["Original-Recipient"] == "rfc822;b+b@old.test"
    assert rcpt["Final-Recipient"] == "rfc822; bob@example.test"
    assert rcpt["Action"] == "delivered" and rcpt["Status"] == "2.0.0"
    # RET counts for failures only (section 4.3).
    assert original.get_content_type() == "text/rfc822-headers"
    suite.wait_empty()


@pytest.mark.parametrize("ret, kind", [("FULL", "message/rfc822"),
                                       ("HDRS", "text/rfc822-headers")])
def test_a_failure_brings_back_what_ret_says(make_suite, ret, kind):
    suite = make_suite(smtpd_reject_unlisted_recipient="no").start()
    submit(suite, "ghost@example.test", [f"RET={ret}"],
           ["ORCPT=rfc822;first@old.test"])
    _, whole, (rcpt,), original = read(suite.mailbox("alice").wait(1)[0])
    assert "Original-Envelope-Id" not in whole
    assert rcpt["Original-Recipient"] == "rfc822;first@old.test"
    assert rcpt["Action"] == "failed"
    assert original.get_content_type() == kind
    suite.wait_empty()


@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS", "DELAY"])
def test_who_does_not_ask_is_not_told(make_suite, notify):
    suite = make_suite(smtpd_reject_unlisted_recipient="no").start()
    id = submit(suite, "ghost@example.test", [], [f"NOTIFY={notify}"])
    suite.log.wait(rf"{id}: removed")
    assert not suite.log.find("notification", "bounce")


@pytest.mark.parametrize("lmtp", [False, True])
def test_what_is_asked_goes_on_with_the_mail(sender, lmtp):
    with NextHop(own_address(), lmtp=lmtp) as hop:
        suite = sender(hop, lmtp)
        id = submit(suite, "c@b.test", ["RET=HDRS", "ENVID=x+2By"],
                    ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;b+2Bb@old.test"])
        suite.log.wait(rf"{id}: removed")
        commands = hop.sessions[0].commands
        assert commands[1].endswith(" RET=HDRS ENVID=x+2By")
        assert commands[2] == ("RCPT TO:<c@b.test> NOTIFY=SUCCESS,DELAY "
                               "ORCPT=rfc822;b+2Bb@old.test")
        # It is the next hop's to tell (section 5.2.2).
        assert not suite.log.find("notification", "bounce")


@pytest.mark.parametrize("lmtp", [False, True])
def test_where_it_cannot_go_on_the_sender_is_told_so(sender, lmtp):
    with NextHop(own_address(), lmtp=lmtp, extensions=NO_DSN) as hop:
        suite = sender(hop, lmtp)
        id = submit(suite, "c@b.test", ["ENVID=x"], ["NOTIFY=SUCCESS"])
        _, whole, (rcpt,), _ = read(suite.mailbox("alice").wait(1)[0])
        assert hop.sessions[0].commands[2] == "RCPT TO:<c@b.test>"
        assert "ENVID" not in hop.sessions[0].commands[1]
        assert whole["Original-Envelope-Id"] == "x"
        assert rcpt["Action"] == "relayed"
        assert rcpt["Remote-MTA"] == f"dns; {hop.address[0]}"
        suite.log.wait(rf"{id}: removed")


def test_who_sees_dsn_can_be_chosen(make_suite):
    suite = make_suite()
    suite.files["hide"] = "127.0.0.2 dsn, pipelining\n"
    suite.set(smtpd_discard_ehlo_keyword_address_maps=
              f"texthash:{suite.etc}/hide").start()
    with smtplib.SMTP(*suite.smtp, timeout=30) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("dsn") and smtp.has_extn("pipelining")
    with smtplib.SMTP(*suite.smtp, timeout=30,
                      source_address=(OURS, 0)) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("dsn") and not smtp.has_extn("pipelining")
        assert smtp.mail("a@b.test", ["RET=FULL"]) == (
            501, b"5.7.1 DSN support is disabled")


def test_programs_ask_too(suite):
    suite.run("sendmail", "-N", "success", "-R", "hdrs", "-V", "job=7",
              "-f", "alice@example.test", "bob@example.test",
              stdin=b"Subject: x\n\nx\n")
    _, whole, (rcpt,), _ = read(suite.mailbox("alice").wait(1)[0])
    assert whole["Original-Envelope-Id"] == "job=7"
    assert rcpt["Action"] == "delivered"
    suite.wait_empty()


def test_a_report_of_the_first_attempt(sender):
    """sendmail -v: what was sent, and what waits; once."""
    with NextHop(own_address(), extensions=NO_DSN,
                 rcpt=["250 2.1.5 ok", "450 4.2.0 full"]) as hop:
        suite = sender(hop)
        suite.run("sendmail", "-v", "-f", "alice@example.test", "c@b.test",
                  "d@b.test", "bob@example.test", stdin=b"Subject: x\n\nx\n")
        suite.mailbox("bob").wait(1)
        message, = suite.mailbox("alice").wait(1)
        subject, _, rcpts, _ = read(message)
        assert subject == "Mail Delivery Status Report"
        assert {r["Final-Recipient"].split("; ")[1]: (r["Action"], r["Status"])
                for r in rcpts} == {
                    "c@b.test": ("relayed", "2.0.0"),
                    "d@b.test": ("delayed", "4.2.0"),
                    "bob@example.test": ("delivered", "2.0.0")}
        hop.replies["rcpt"] = "250 2.1.5 ok"
        suite.drain()
        assert len(suite.mailbox("alice").paths()) == 1


def test_a_report_of_what_would_be_done(sender):
    """sendmail -bv: nothing is delivered."""
    with NextHop(own_address()) as hop:
        suite = sender(hop, smtpd_reject_unlisted_recipient="no")
        suite.run("sendmail", "-bv", "-f", "alice@example.test", "c@b.test",
                  "bob@example.test", "ghost@example.test")
        message, = suite.mailbox("alice").wait(1)
        subject, _, rcpts, original = read(message)
        assert subject == "Mail Delivery Status Report"
        assert {r["Final-Recipient"].split("; ")[1]: r["Action"]
                for r in rcpts} == {
                    "c@b.test": "deliverable",
                    "bob@example.test": "deliverable",
                    "ghost@example.test": "undeliverable"}
        assert "probe" in original.get_content()
        suite.log.wait(r"to=<c@b\.test>, relay=none, .*dsn=2\.0\.0, "
                       rf"status=deliverable \(delivers by smtp to "
                       rf"{re.escape(hop.hop)}\)")
        suite.wait_empty()
        assert not hop.sessions and not suite.mailbox("bob").paths()
