"""What senders are told: reports that programs read, warnings, and no rounds."""
import email
import email.policy
import os
import re

import pytest

from suite import MAIL_UID, is_root, wait_for

FAILS = {"smtpd_reject_unlisted_recipient": "no"}  # qmgr knows nobody


def report(message):
    """A report as Python reads it: (whole, per message, per recipient)."""
    parsed = email.message_from_bytes(message.data,
                                      policy=email.policy.default)
    assert not parsed.defects
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    parts = list(parsed.iter_parts())
    assert [p.get_content_type() for p in parts][:2] == [
        "text/plain", "message/delivery-status"]
    assert len(parts) == 3
    groups = parts[1].get_payload()
    return parsed, groups[0], groups[1:], parts[2]


@pytest.fixture
def suite(make_suite):
    return make_suite(**FAILS).start()


def test_a_bounce_says_what_when_and_why(suite):
    id = suite.send("Subject: lost\r\nMessage-ID: <1@a>\r\n\r\nthe text\r\n"
                    ".dot\r\n",
                    to="ghost", sender="alice@example.test")
    message, = suite.mailbox("alice").wait(1)
    parsed, per_message, rcpts, original = report(message)
    assert message.header("Return-Path") == "<>"
    assert parsed["From"].addresses[0].username == "MAILER-DAEMON"
    assert parsed["To"] == "alice@example.test"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["Subject"] == "Undelivered Mail Returned to Sender"
    assert parsed["Date"] and parsed["Message-Id"]
    assert "ghost@example.test" in parsed.get_payload()[0].get_content()
    assert per_message["Reporting-MTA"] == "dns; mail.example.test"
    assert per_message["Arrival-Date"]
    rcpt, = rcpts
    assert rcpt["Final-Recipient"] == "rfc822; ghost@example.test"
    assert rcpt["Action"] == "failed"
    assert rcpt["Status"] == "5.1.1"
    assert "unknown user" in rcpt["Diagnostic-Code"]
    assert original.get_content_type() == "message/rfc822"
    inner = original.get_payload()[0]
    assert inner["Subject"] == "lost" and inner["Message-ID"] == "<1@a>"
    # The line end before a boundary belongs to it (RFC 2046, section 5.1.1).
    assert b"\n\nthe text\n.dot\n\n--" in message.data
    suite.wait_empty()
    assert not suite.files_in()
    new = suite.log.wait(rf"{id}: sender non-delivery notification: (\w+)",
                         "bounce")[1]
    suite.log.wait(rf"{new}: message-id=<", "cleanup")
    suite.log.wait(rf"{new}: from=<>, size=\d+, nrcpt=1", "qmgr")
    suite.log.wait(rf"{id}: removed", "qmgr")


def test_all_recipients_of_a_round_are_in_one_report(suite):
    to = [f"ghost{n}" for n in range(40)] + ["bob"]
    suite.send("Subject: x\n\nx\n", to=to, sender="alice@example.test")
    message, = suite.mailbox("alice").wait(1)
    _, _, rcpts, _ = report(message)
    assert {r["Final-Recipient"].split("; ")[1] for r in rcpts} == {
        f"ghost{n}@example.test" for n in range(40)}
    suite.mailbox("bob").wait(1)
    suite.wait_empty()


def test_what_is_large_comes_back_as_its_head(make_suite):
    suite = make_suite(bounce_size_limit=5000, **FAILS).start()
    suite.send("Subject: large\nX-A: b\n\n" + "x" * 70 + "\n" * 8000,
               to="ghost", sender="alice@example.test")
    message, = suite.mailbox("alice").wait(1)
    _, _, _, original = report(message)
    assert original.get_content_type() == "text/rfc822-headers"
    assert "X-A: b" in original.get_content()
    assert "xxx" not in original.get_content()
    assert len(message.data) < 5000


def test_nothing_goes_round(suite):
    """A report that cannot be delivered, and a mail without a sender."""
    suite.send("Subject: x\n\nx\n", to="ghost", sender="phantom@example.test")
    suite.log.wait("non-delivery notification")
    suite.send("Subject: x\n\nx\n", to="ghost", sender="")
    suite.log.wait(r"status=bounced", count=3)
    suite.wait_empty()
    assert not suite.files_in()
    assert len(suite.log.find("non-delivery notification")) == 1


def test_a_double_bounce_goes_to_the_postmaster_once(make_suite):
    suite = make_suite(users=["alice", "postmaster"],
                       notify_classes="2bounce, bounce",
                       myorigin="example.test", **FAILS)
    suite.start()
    suite.send("Subject: x\n\nx\n", to="ghost", sender="phantom@example.test")
    # One copy of the bounce, one notice of its own failure.
    messages = suite.mailbox("postmaster").wait(2)
    finals = {report(m)[2][0]["Final-Recipient"].split("; ")[1]
              for m in messages}
    assert finals == {"ghost@example.test", "phantom@example.test"}
    for message in messages:
        assert message.header("Return-Path") == \
            "<double-bounce@example.test>"
        # Of what nobody else is told he gets all.
        final = report(message)[2][0]["Final-Recipient"].split("; ")[1]
        assert report(message)[3].get_content_type() == (
            "text/rfc822-headers" if final.startswith("ghost")
            else "message/rfc822")
    suite.log.wait("postmaster non-delivery notification")
    suite.wait_empty()


def test_no_postmaster_is_no_loop(make_suite):
    suite = make_suite(notify_classes="2bounce, bounce", **FAILS).set(
        myorigin="example.test").start()
    suite.send("Subject: x\n\nx\n", to="ghost", sender="phantom@example.test")
    suite.log.wait("undeliverable notice to the postmaster", count=2)
    suite.wait_empty()


def deferred(suite):
    """No mailbox of bob's can be made: his mail waits."""
    place = suite.mail / "example.test"
    place.mkdir()
    if is_root():
        os.chown(place, MAIL_UID, MAIL_UID)
    (place / "bob").touch()


def test_who_waits_is_warned_once(make_suite):
    suite = make_suite(delay_warning_time="1h", minimal_backoff_time="10m",
                       maximal_backoff_time="20m").start()
    deferred(suite)
    id = suite.send("Subject: slow\n\nx\n", to="bob",
                    sender="alice@example.test")
    suite.log.wait(rf"{id}: .*status=deferred")
    suite.clock("+2h")
    message, = suite.mailbox("alice").wait(1)
    parsed, _, rcpts, original = report(message)
    assert parsed["Subject"].startswith("Delayed Mail")
    assert rcpts[0]["Action"] == "delayed"
    assert rcpts[0]["Status"].startswith("4.")
    assert original.get_content_type() == "text/rfc822-headers"
    suite.log.wait(rf"{id}: sender delay notification: \w+", "bounce")
    before = len(suite.log.find(rf"{id}: .*status=deferred"))
    suite.clock("+2h")
    suite.log.wait(rf"{id}: .*status=deferred", count=before + 1)
    suite.stop()  # and a new queue manager knows it as well
    suite.start()
    suite.clock("+7h")  # the clock began anew
    suite.log.wait(rf"{id}: .*status=deferred", count=before + 2)
    wait_for("it to wait again",
             lambda: [(m["queue_id"], m["queue_name"])
                      for m in suite.queue()] == [(id, "deferred")])
    assert len(suite.log.find("sender delay notification")) == 1
    assert len(suite.mailbox("alice").paths()) == 1


def test_what_is_too_old_comes_back(make_suite):
    suite = make_suite(maximal_queue_lifetime="1d",
                       minimal_backoff_time="10m").start()
    deferred(suite)
    id = suite.send("Subject: old\n\nx\n", to="bob",
                    sender="alice@example.test")
    suite.log.wait(rf"{id}: .*status=deferred")
    suite.clock("+25h")
    message, = suite.mailbox("alice").wait(1)
    _, _, rcpts, _ = report(message)
    assert rcpts[0]["Action"] == "failed"
    suite.log.wait(
        rf"{id}: from=<alice@example.test>, status=expired, "
        "returned to sender", "qmgr")
    suite.wait_empty()


def test_cleanup_away_loses_nothing(make_suite):
    suite = make_suite(minimal_backoff_time="1s", maximal_backoff_time="1s",
                       service_throttle_time="1s", **FAILS)
    suite.trouble_is_expected = True
    suite.start()
    for n in range(20):
        suite.send(f"Subject: {n}\n\nx\n", to="ghost",
                   sender="alice@example.test")
        if n % 5 == 2:
            suite.kill("cleanup")

    def all_came():
        suite.run("postqueue", "-c", suite.etc, "-f")
        return {report(m)[3].get_payload()[0]["Subject"]
                for m in suite.mailbox("alice").messages()} == {
                    str(n) for n in range(20)}
    wait_for("all bounces", all_came)
    suite.drain()
    assert len(suite.mailbox("alice").paths()) <= 24
    # What was begun when it died is no mail, and goes after an hour.
    assert not [p for p in suite.files_in() if not p.name.startswith(".")]


def test_a_reload_replaces_cleanup(suite):
    before = set(suite.pids("cleanup"))
    suite.reload()
    wait_for("another cleanup", lambda: suite.pids("cleanup") and
             not before & set(suite.pids("cleanup")))
    suite.send("Subject: x\n\nx\n", to="ghost", sender="alice@example.test")
    suite.mailbox("alice").wait(1)


def test_boundaries_of_the_mail_do_not_end_the_report(suite):
    inner = ("Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\n\none\n"
             "--b--\n\n--\n")
    suite.send("Subject: x\n" + inner, to="ghost",
               sender="alice@example.test")
    message, = suite.mailbox("alice").wait(1)
    _, _, _, original = report(message)
    assert re.search("one", str(original.get_payload()[0]))


TEMPLATES = """
failure_template = <<EOF
Charset: utf-8
From: "Die Post" <post>
Subject: Nicht zugestellt

Von $myhostname, nach $maximal_queue_lifetime_days Tagen: schade, hö.
EOF
delay_template = <<X
Foo: bar

x
X
"""


def test_a_bounce_has_the_postmasters_words(make_suite):
    suite = make_suite(notify_classes="bounce", **FAILS)
    path = suite.etc / "bounce.cf"
    path.write_text(TEMPLATES)
    suite.set(bounce_template_file=path).start()
    suite.log.wait('unknown "Foo" header label in delay template -- ignoring',
                   "cleanup")
    suite.send("Subject: x\n\nx\n", to="ghost", sender="alice@example.test")
    message, = suite.mailbox("alice").wait(1)
    parsed, _, rcpts, _ = report(message)
    assert str(parsed["From"]) == "Die Post <post@mail.example.test>"
    assert parsed["Subject"] == "Nicht zugestellt"
    text = parsed.get_payload()[0]
    assert text.get_content_charset() == "utf-8"
    assert text["Content-Transfer-Encoding"] == "8bit"
    assert text.get_content().startswith(
        "Von mail.example.test, nach 5 Tagen: schade, hö.\n\n<ghost@")
    assert rcpts[0]["Action"] == "failed"


def test_templates_that_change_or_are_bad_lose_no_mail(make_suite):
    suite = make_suite(bounce_template_file="/nonexistent", **FAILS)
    path = suite.etc / "bounce.cf"
    suite.start()
    suite.log.wait("/nonexistent: No such file", "cleanup")

    def subject(n):
        suite.send("Subject: x\n\nx\n", to="ghost",
                   sender="alice@example.test")
        return report(suite.mailbox("alice").wait(n)[-1])[0]["Subject"]

    assert subject(1) == "Undelivered Mail Returned to Sender"
    path.write_text("failure_template = <<X\nSubject: s\n\n$nothing\nX\n")
    suite.set(bounce_template_file=path).reload()
    suite.log.wait("failure template: nothing has this name", "cleanup")
    assert subject(2) == "Undelivered Mail Returned to Sender"
    path.write_text("failure_template = <<X\nSubject: ours\n\na\nX\n")
    wait_for("the new text", lambda: subject(
        len(suite.mailbox("alice").paths()) + 1) == "ours")
