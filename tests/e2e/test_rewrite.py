"""Addresses on their way in: completed, canonical, masqueraded, copied."""
import smtplib

import pytest

from suite import PATIENCE

HEAD = ("From: Root <root>\r\nTo: \"A, B\" <alice>, x@pc.example.test (here)\r\n"
        "Cc: far@elsewhere.test\r\nSubject: root, alice\r\n\r\nalice\r\n")


def suite_that_rewrites(make_suite, **params):
    suite = make_suite(users=["alice", "bob", "carol"])
    return suite.set(
        myorigin=suite.domain, mydomain=suite.domain,
        local_header_rewrite_clients="permit_mynetworks", **params)


def test_headers_of_ours_and_envelopes_of_all(make_suite):
    suite = suite_that_rewrites(
        make_suite, masquerade_domains="example.test",
        canonical_maps="inline:{root@example.test=Admin@example.test}")
    suite.start()
    suite.send(HEAD, to="alice", sender="root", bind="127.0.0.2")
    mail = suite.mailbox("alice").wait(1)[0]
    assert mail.header("From") == "Root <Admin@example.test>"
    assert mail.header("To") == ('"A, B" <alice@example.test>, '
                                 'x@example.test (here)')
    assert mail.header("Cc") == "far@elsewhere.test"
    assert mail.header("Subject") == "root, alice"
    assert mail.header("Return-Path") == "<Admin@example.test>"
    assert mail.body == b"alice\n"
    # A stranger's head stays as it is; his envelope does not.
    suite.send(HEAD, to="bob", sender="root@example.test")
    mail = suite.mailbox("bob").wait(1)[0]
    assert mail.header("From") == "Root <root>"
    assert mail.header("Return-Path") == "<Admin@example.test>"


def test_a_field_longer_than_what_is_kept_in_memory(make_suite):
    suite = suite_that_rewrites(make_suite).start()
    people = [f"person{i}" for i in range(6000)]
    suite.send("To: " + ",\r\n ".join(people) + "\r\n\r\nx\r\n", to="alice",
               bind="127.0.0.2")
    mail = suite.mailbox("alice").wait(1)[0]
    assert [who.strip() for who in mail.header("To").split(",")] == [
        f"{who}@example.test" for who in people]


def test_canonical_recipients_exist(make_suite):
    suite = suite_that_rewrites(
        make_suite, recipient_delimiter="+",
        canonical_maps="inline:{old@example.test=alice@example.test}",
        recipient_canonical_maps="inline:{sales@example.test=bob}").start()
    suite.send("Subject: x\r\n\r\nx\r\n",
               to=["old+tag@example.test", "sales@example.test"])
    mail = suite.mailbox("alice").wait(1)[0]
    assert mail.header("X-Original-To") == "old+tag@example.test"
    assert mail.header("Delivered-To") == "alice+tag@example.test"
    suite.mailbox("bob").wait(1)
    with smtplib.SMTP(*suite.smtp, "client.test", timeout=PATIENCE) as smtp:
        smtp.ehlo()
        smtp.mail("x@client.test")
        assert smtp.rcpt("older@example.test")[0] == 550


@pytest.mark.parametrize("rcpt", [
    "x%far.test", "far.test!x", "x%far.test@example.test",
    "\"x%far.test\"", "@example.test:x@far.test",
    "x@far.test@example.test"])
def test_nobody_relays_by_writing_an_address_oddly(make_suite, rcpt):
    suite = suite_that_rewrites(make_suite).start()
    with smtplib.SMTP(*suite.smtp, "client.test", timeout=PATIENCE) as smtp:
        smtp.ehlo()
        smtp.mail("x@client.test")
        code, text = smtp.docmd("RCPT", f"TO:<{rcpt}>")
        assert code in (501, 550, 553, 554), text
    assert not suite.queue()


def test_copies(make_suite):
    suite = suite_that_rewrites(
        make_suite, always_bcc="carol",
        sender_bcc_maps="inline:{boss@example.test=bob@example.test}",
        recipient_bcc_maps="inline:{alice@example.test=bob@example.test}")
    suite.start()
    suite.send("Subject: 1\r\n\r\nx\r\n", to="alice",
               sender="boss@example.test")
    for user in ("alice", "bob", "carol"):
        mail = suite.mailbox(user).wait(1)[0]
        assert mail.headers("Bcc") == []
    suite.send("Subject: 2\r\n\r\nx\r\n", to="bob")
    suite.mailbox("bob").wait(2)
    suite.mailbox("carol").wait(2)
    suite.wait_empty()
    suite.mailbox("alice").wait(1)


def test_a_table_that_makes_no_sense_defers(make_suite):
    suite = suite_that_rewrites(
        make_suite, sender_canonical_maps="inline:{{bad@example.test=a b}}")
    suite.start()
    with smtplib.SMTP(*suite.smtp, "client.test", timeout=PATIENCE) as smtp:
        smtp.ehlo()
        smtp.mail("bad@example.test")
        smtp.rcpt("alice@example.test")
        code, text = smtp.data("Subject: x\r\n\r\nx\r\n")
        assert code == 451, text
    suite.log.wait(r"sender_canonical_maps: not one address for "
                   r"bad@example\.test", "smtpd")
