"""LMTP into mailboxes: a reply for each recipient, and nothing between."""
import smtplib

import pytest

from suite import PATIENCE

BODY = b"From: bob@client.test\r\nSubject: a test\r\n\r\nhello\r\n"


@pytest.fixture
def lmtp_suite(make_suite):
    return make_suite(users=("alice", "bob")).with_lmtp().start()


def session(suite):
    """A client of smtplib's."""
    return smtplib.LMTP(str(suite.queue_dir / "private" / "lmtpd"),
                        local_hostname="client.test")


def test_a_mail_lies_in_the_mailbox(lmtp_suite):
    suite = lmtp_suite
    with session(suite) as s:
        assert s.sendmail("bob@client.test", "alice@example.test", BODY) == {}
    message, = suite.mailbox("alice").wait(1)
    assert message.headers("Return-Path") == ["<bob@client.test>"]
    assert message.headers("Delivered-To") == ["alice@example.test"]
    received, = message.headers("Received")
    assert "with LMTP id" in received and "for <alice@example.test>" in received
