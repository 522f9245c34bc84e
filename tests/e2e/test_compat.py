"""Hints of compatibility_level: what rests on a default of old is told, once."""
import re

import pytest

HINT = "using backwards-compatible default setting "
STRANGER = "127.9.8.7"


@pytest.fixture
def old(make_suite):
    """A suite of old, where the names in `unset` have their defaults."""
    def make(unset=(), **params):
        suite = make_suite(mydomain="example.test", mydestination="here.test",
                           smtpd_reject_unlisted_recipient="no",
                           service_workers=1,
                           **{"compatibility_level": "0"} | params)
        for name in unset:
            del suite.params[name]
        return suite.start()
    return make


def say(suite, sender, rcpt, code=250, bind=STRANGER):
    """Three sessions; returns the hints that are in the log then."""
    before = len(suite.log.find("^disconnect", "smtpd"))
    for _ in range(3):
        with suite.session(bind=bind) as wire:
            wire.command(f"MAIL FROM:<{sender}>", 250)
            wire.command(f"RCPT TO:<{rcpt}>", code)
            wire.command("QUIT", 221)
    suite.log.wait("^disconnect", "smtpd", count=before + 3)
    return [text for _, _, text in suite.log.lines("smtpd") if HINT in text]


def test_a_domain_that_is_completed(old):
    suite = old()
    for n in range(3):
        suite.send("Subject: x\r\n\r\n", sender="bob@client")
    suite.log.wait("^disconnect", "smtpd", count=3)
    assert [text for _, _, text in suite.log.lines("smtpd") if HINT in text
            ] == [HINT + 'append_dot_mydomain=yes to rewrite "client" to '
                  '"client.example.test"']


def test_a_relay_that_only_no_list_lets_pass(old):
    suite = old(unset=["smtpd_relay_restrictions"],
                smtpd_recipient_restrictions="check_recipient_access "
                "inline:{any.test=OK}, reject_unauth_destination")
    assert say(suite, "bob@client.test", "alice@example.test") == []
    assert say(suite, "bob@client.test", "x@any.test") == [
        HINT + '"smtpd_relay_restrictions = (empty)" to avoid "Relay access '
        'denied" error for recipient "x@any.test" from client '
        f'"unknown[{STRANGER}]"']


def test_a_subdomain_that_is_relayed(old):
    assert say(old(), "bob@client.test", "x@sub.here.test") == [
        HINT + 'relay_domains=$mydestination to accept mail for domain '
        '"sub.here.test"']


def test_a_client_of_the_network(old):
    suite = old(unset=["mynetworks"])
    assert say(suite, "bob@client.test", "x@any.test",
               bind="127.0.0.1") == []
    hint, = say(suite, "bob@client.test", "x@any.test")
    assert re.fullmatch(
        re.escape(HINT) + r"mynetworks_style=subnet to permit request from "
        rf'client "unknown\[{STRANGER}\]"', hint)


def test_the_beginning_tells_which_there_are(old):
    suite = old(append_dot_mydomain="yes", unset=["mynetworks"])
    suite.log.wait("^warning: using backwards-compatible default settings: "
                   "mynetworks_style, relay_domains, smtputf8_enable$",
                   "master")
    suite.log.wait('To disable backwards compatibility use "postconf '
                   'compatibility_level=3.6"', "master")
    suite.send("Subject: x\r\n\r\n", sender="bob@client")
    suite.mailbox("alice").wait(1)
    assert not suite.log.find(HINT)


@pytest.mark.parametrize("level", ["2", "3.6", "3.9"])
def test_a_level_of_today_has_nothing_to_tell(old, level):
    suite = old(unset=["mynetworks", "smtpd_relay_restrictions"],
                compatibility_level=level)
    suite.send("Subject: x\r\n\r\n", sender="bob@client")
    suite.mailbox("alice").wait(1)
    assert say(suite, "bob@client.test", "x@sub.here.test", 454) == []
    assert "backwards-compatible" not in suite.log.text()
