"""What tables do with mail beside taking or refusing it: access(5)."""
import re
import smtplib

import pytest

from nexthop import NextHop
from suite import PORT_BASE, own_address, wait_for

MESSAGE = "Subject: x\r\n\r\ntext\r\n"


@pytest.fixture
def suite(make_suite):
    """A suite in which senders are looked up; write() says what is found."""
    suite = make_suite(users=["alice", "bob", "carol"])
    suite.set(smtpd_sender_restrictions=
              f"check_sender_access regexp:{suite.etc}/senders",
              smtpd_recipient_restrictions=
              f"check_recipient_access texthash:{suite.etc}/rcpts")
    suite.files["senders"] = "/^$/ DUNNO\n"
    suite.files["rcpts"] = "nobody@else.test DUNNO\n"
    return suite


def test_hold_waits_for_somebody_to_look(suite):
    suite.files["senders"] = "/^evil@/ HOLD\n"
    suite.start()
    id = suite.send(MESSAGE, sender="evil@a.test")
    suite.log.wait(r"NOQUEUE: hold: RCPT from .*: <evil@a\.test>: Sender "
                   r"address triggers HOLD action; from=<evil@a\.test> "
                   r"to=<alice@example\.test>")
    wait_for("it to be held", lambda: suite.files_in("hold"))
    assert not suite.files_in("incoming", "deferred")
    held, = suite.queue()
    assert held["queue_name"] == "hold" and held["queue_id"] == id
    suite.send(MESSAGE, to="bob", sender="good@a.test")
    suite.mailbox("bob").wait(1)
    suite.run("postsuper", "-c", suite.etc, "-H", id)
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.mailbox("alice").wait(1)
    suite.wait_empty()


def test_redirect_goes_to_somebody_else_and_to_nobody_besides(suite):
    suite.files["rcpts"] = "alice@example.test REDIRECT carol@example.test\n"
    suite.files["senders"] = "/@a/ BCC bob@example.test\n"
    suite.start()
    suite.send(MESSAGE, to=["alice", "bob"], sender="x@a.test")
    suite.mailbox("carol").wait(1)
    suite.wait_empty()
    assert not suite.mailbox("alice").paths()
    assert not suite.mailbox("bob").paths()


def test_bcc_and_prepend(suite):
    suite.files["senders"] = "/@a/ BCC bob@example.test\n"
    suite.files["rcpts"] = ("alice@example.test PREPEND X-One: 1\n"
                            "carol@example.test PREPEND X-Two: 2\n")
    suite.start()
    suite.send(MESSAGE, to=["alice", "carol"], sender="x@a.test")
    for name in ("alice", "bob", "carol"):
        mail, = suite.mailbox(name).wait(1)
        assert mail.headers("X-One") == ["1"]
        assert mail.headers("X-Two") == ["2"]
        assert mail.head.index("X-One") < mail.head.index("X-Two") \
            < mail.head.index("Received")
    assert not suite.log.find("prepend")
    suite.send(MESSAGE, to="alice", sender="x@b.test")
    second = suite.mailbox("alice").wait(2)[1]
    assert second.headers("X-One") == ["1"] and not second.headers("X-Two")


def test_what_is_of_one_mail_is_not_of_the_next(suite):
    suite.files["senders"] = "/^evil@/ HOLD\n"
    suite.start()
    wire = suite.session()
    wire.command("MAIL FROM:<evil@a.test>", 250)
    wire.command("RCPT TO:<alice@example.test>", 250)
    wire.command("RSET", 250)
    wire.command("MAIL FROM:<good@a.test>", 250)
    wire.command("RCPT TO:<alice@example.test>", 250)
    wire.command("DATA", 354)
    wire.send(MESSAGE.encode() + b".\r\n")
    wire.expect(250)
    suite.mailbox("alice").wait(1)


def test_filter_sends_all_through_another_transport(suite):
    with NextHop(own_address()) as hop:
        suite.services["out"] = "smtp unix - - n - 100 smtp"
        suite.set(smtp_tcp_port=PORT_BASE + 25)
        suite.files["senders"] = f"/@a/ FILTER smtp:{hop.hop}\n"
        suite.start()
        id = suite.send(MESSAGE, to=["alice", "bob"], sender="x@a.test")
        suite.log.wait(rf"{id}: to=<bob@example\.test>, relay="
                       rf"{re.escape(hop.address[0])}\[.*status=sent")
        suite.wait_empty()
        assert "RCPT TO:<alice@example.test>" in "\n".join(
            hop.sessions[0].commands)
        assert not suite.mailbox("alice").paths()


def test_what_cannot_be_done_is_told_and_the_mail_goes_on(suite):
    suite.files["senders"] = "/^a@/ REDIRECT nobody\n/^b@/ FILTER x\n"
    suite.start()
    for sender in ("a@a.test", "b@a.test"):
        suite.send(MESSAGE, sender=sender)
    suite.mailbox("alice").wait(2)
    suite.log.wait(r'NOQUEUE: warn: .*REDIRECT with "nobody" cannot be done')
    suite.log.wait(r'NOQUEUE: warn: .*FILTER with "x" cannot be done')


def test_content_filter_is_for_all_mail_but_what_comes_back(make_suite):
    with NextHop(own_address()) as hop:
        suite = make_suite(content_filter=f"smtp:{hop.hop}",
                           smtp_tcp_port=PORT_BASE + 25,
                           myorigin="example.test")
        suite.services["out"] = "smtp unix - - n - 100 smtp"
        suite.services["back"] = (f"{suite.addr}:10026 inet n - n - 10 smtpd "
                                  "-o content_filter=")
        suite.start()
        suite.send(MESSAGE)
        suite.run("sendmail", "alice", stdin=b"Subject: y\n\ny\n")
        wait_for("two mails", lambda: len(hop.messages) == 2)
        with smtplib.SMTP(suite.addr, 10026, timeout=30) as back:
            back.sendmail("x@a.test", "alice@example.test", MESSAGE)
        suite.mailbox("alice").wait(1)
        suite.wait_empty()
        assert len(hop.messages) == 2
