"""Mail to users of the machine: who else may get it, and by which way."""
import os
import re

import pytest

from nexthop import NextHop
from suite import Mailbox, wait_for

pytestmark = pytest.mark.root

MAIL = "From: bob@client.test\r\nSubject: here\r\n\r\nhello\r\n"


@pytest.fixture
def people(make_suite):
    """people(ALIASES, PARAM=..): a suite, started, that refuses no local name."""
    def make(aliases="", **params):
        suite = make_suite().with_people(aliases)
        suite.services["lmtp"] = "lmtp unix - - n - 100 lmtp"
        return suite.set(local_recipient_maps="", recipient_delimiter="+",
                         **params)
    return make


def send(suite, to, data=MAIL, **more):
    to = [to] if isinstance(to, str) else to
    return suite.send(data, to=[f"{t}@here.test" for t in to], **more)


def outcome(suite, qid, to, service=None):
    """(relay, status, text) of what became of a recipient."""
    return suite.log.wait(rf"^{qid}: to=<{re.escape(to)}@here\.test>, .*"
                          r"relay=([^,]+), .*status=(\w+) \((.*)\)$",
                          service).groups()


def again(suite, **params):
    suite.stop()
    suite.set(**params).start()


def commands(hop):
    return [c for session in hop.sessions for c in session.commands]


def test_mail_of_nobody_goes_to_the_luser(people):
    suite = people(luser_relay="alice+$local@example.test").start()
    qid = send(suite, "zoe")
    _, status, text = outcome(suite, qid, "zoe")
    assert status == "sent" and text.startswith("forwarded as ")
    suite.log.wait(r": to=<alice\+zoe@example\.test>, ")
    again(suite, luser_relay="carl")
    send(suite, "Zoe+x")
    suite.wait_mbox("carl")
    send(suite, "ann")
    suite.wait_mbox("ann")
    assert len(suite.mbox("carl")) == 1
    again(suite, luser_relay="nobody.either")
    assert outcome(suite, send(suite, "yes"), "nobody.either")[1:] == (
        "bounced", 'unknown user: "nobody.either"')


def test_another_transport_delivers_to_all(people):
    suite = people("team: ann, zoe\n")
    with NextHop(suite.addr, lmtp=True) as hop:
        suite.set(mailbox_transport=f"lmtp:inet:{hop.hop}",
                  virtual_alias_maps="inline:{old@here.test=ann@here.test}")
        suite.put_home("ben", ".forward", "\\ben\nalice@example.test\n")
        suite.start()
        for name in ("ann", "zoe", "ann+x"):
            relay, status, _ = outcome(suite, send(suite, name), name)
            assert status == "sent" and "[" in relay
        # His .forward holds before it, and leaves him a copy.
        assert outcome(suite, send(suite, "ben"), "ben", "lmtp")[1] == "sent"
        suite.mailbox("alice").wait(1)
        send(suite, "team")
        suite.wait_empty()
        rcpts = sorted(c for c in commands(hop) if c.startswith("RCPT"))
    assert [r.split("<")[1].split("@")[0] for r in rcpts] == [
        "ann+x", "ann", "ann", "ben", "zoe", "zoe"]
    assert not suite.mbox("ann")


def test_a_transport_that_puts_off_is_asked_again(people):
    suite = people()
    with NextHop(suite.addr, lmtp=True, rcpt=[
            "451 4.2.1 later", "250 2.1.5 ok"]) as hop:
        suite.set(mailbox_transport=f"lmtp:inet:{hop.hop}").start()
        qid = send(suite, "ann")
        assert outcome(suite, qid, "ann")[1] == "deferred"
        suite.run("postqueue", "-c", suite.etc, "-f")
        suite.log.wait(rf"^{qid}: to=<ann@here\.test>, .*status=sent", "lmtp")
        suite.wait_empty()


def test_a_transport_that_leads_back_is_no_circle(people):
    suite = people(mailbox_transport="local").start()
    relay, status, text = outcome(suite, send(suite, "ann"), "ann")
    assert status == "deferred" and "circle" in text
    again(suite, mailbox_transport="error:no mail today")
    assert outcome(suite, send(suite, "ben"), "ben")[1:] == (
        "bounced", "no mail today")
    again(suite, mailbox_transport="nothing:")
    assert "no service nothing" in outcome(
        suite, send(suite, "carl"), "carl")[2]


def test_tables_of_transports_and_commands_go_first(people):
    suite = people()
    suite.files |= {
        "transports": "ann discard:gone\n",
        "fallbacks": "zoe discard:never here\n",
        "commands": 'ben cat > "$HOME/by-table"\n',
    }
    suite.set(mailbox_transport_maps=f"texthash:{suite.etc}/transports",
              fallback_transport_maps=f"texthash:{suite.etc}/fallbacks",
              fallback_transport="error:not one of us",
              mailbox_command_maps=f"texthash:{suite.etc}/commands",
              luser_relay="carl").start()
    qid = send(suite, ["ann", "ben", "carl", "zoe", "yes"])
    assert outcome(suite, qid, "ann")[1:] == ("sent", "gone")
    assert outcome(suite, qid, "ben")[2].startswith("delivered to command: cat")
    assert outcome(suite, qid, "carl")[2] == "delivered to mailbox"
    assert outcome(suite, qid, "zoe")[1:] == ("sent", "never here")
    assert outcome(suite, qid, "yes")[1:] == ("bounced", "not one of us")
    assert "hello" in (suite.home("ben") / "by-table").read_text()


def test_a_table_that_a_stranger_can_write_to_is_not_asked(people):
    suite = people()
    suite.files["transports"] = "ann discard:gone\n"
    suite.set(mailbox_transport_maps=f"texthash:{suite.etc}/transports")
    suite.write()
    os.chown(suite.etc / "transports", 4101, 4101)
    suite.trouble_is_expected = True
    suite.start(write=False)
    assert outcome(suite, send(suite, "ann"), "ann")[1:] == (
        "deferred", "table lookup failure")
    suite.log.wait(r"mailbox_transport_maps: .*has to belong to root")


def test_where_forward_files_lie_is_said_by_a_path(people):
    suite = people()
    place = suite.dir / "forwards"
    place.mkdir()
    place.chmod(0o755)
    suite.set(forward_path=f"{place}/$user${{extension?-$extension}}, "
                           "$home/.forward").start()
    for name, owner, to in (("ann", 4101, "ben"), ("ann-x", 4101, "carl"),
                            ("ben", 4101, "alice@example.test")):
        (place / name).write_text(to + "\n")
        os.chown(place / name, owner, owner)
    suite.put_home("carl", ".forward", "alice@example.test\n")
    send(suite, "ann")
    suite.wait_mbox("ben")  # the file of his name is not his
    qid = send(suite, "ann+x")  # carl sends it on
    assert outcome(suite, qid, "ann+x")[2].startswith("forwarded as ")
    send(suite, "ann+../carl")
    suite.wait_mbox("ben", 2)
    suite.mailbox("alice").wait(1)
    suite.wait_empty()


def test_locks_are_waited_for_as_long_as_is_said(people):
    suite = people(deliver_lock_attempts="2", deliver_lock_delay="1s",
                   stale_lock_time="1h")
    lock = suite.spool / "ann.lock"
    lock.write_text("")
    suite.start()
    assert outcome(suite, send(suite, "ann"), "ann")[1] == "deferred"
    os.utime(lock, (1, 1))  # to remove it is up to who made it
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.log.wait(": to=<ann@here.test>, .*status=deferred", count=2)
    os.chown(lock, 4101, 4101)
    os.utime(lock, (1, 1))
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.wait_mbox("ann")
    wait_for("the lock to go", lambda: not lock.exists())


def test_members_of_a_list_with_an_owner_are_on_their_own(people):
    suite = people("list: sub, zoe, carl\nowner-list: ben\nsub: ann\n").start()
    qid = send(suite, "list", sender="carl@here.test")
    found = suite.log.wait(rf"^{qid}: to=<list@here\.test>, .*"
                           r"status=sent \(forwarded as (\w+)\)$")
    mail = suite.wait_mbox("ann")[0]
    assert "\nReturn-Path: <owner-list@here.test>\n" in mail
    assert "\nDelivered-To: list@here.test\n" in mail
    suite.log.wait(rf"^{found[1]}: to=<zoe@here\.test>, .*status=bounced")
    assert "zoe@here.test" in suite.wait_mbox("ben")[0]  # he is told
    suite.wait_mbox("carl")
    again(suite, reset_owner_alias="yes")
    qid = send(suite, "list")
    suite.log.wait(rf"^{qid}: to=<ann@here\.test>, .*delivered to mailbox")
    suite.wait_empty()


def test_a_list_of_thousands_goes_on_in_one_mail(people):
    members = [f"member-{i:04}-of-a-list@example.test" for i in range(4000)]
    suite = people("many: ann, " + ", ".join(members) + "\n")
    suite.set(virtual_alias_maps="regexp:{{/^member-/ alice@example.test}}").start()
    qid = send(suite, "many")
    new = suite.log.wait(rf"^{qid}: .*status=sent \(forwarded as (\w+)\)$",
                         patience=120)[1]
    suite.log.wait(rf"^{new}: from=.*nrcpt=1 ", "qmgr")
    suite.mailbox("alice").wait(1)
    suite.wait_empty()
    assert len(suite.mbox("ann")) == 1


def test_what_goes_on_is_mail_as_all_other(people):
    suite = people("off: old@example.test, alice@example.test\n")
    suite.set(virtual_alias_maps="inline:{old@example.test=ann@here.test}",
              recipient_bcc_maps="inline:{alice@example.test=carl@here.test}",
              hopcount_limit="3").start()
    qid = send(suite, "off")
    new = suite.log.wait(rf"^{qid}: .*\(forwarded as (\w+)\)$")[1]
    suite.log.wait(rf"^{new}: message-id=", "cleanup")
    [mail] = suite.mailbox("alice").wait(1)
    received = mail.headers("Received")
    assert len(received) == 2 and f"id {new}" in received[0]
    # One each of the list and of the delivery.
    assert mail.headers("Delivered-To")[-1] == "off@here.test"
    assert "\nX-Original-To: old@example.test\n" in suite.wait_mbox("ann")[0]
    suite.wait_mbox("carl")
    qid = send(suite, "off", "Received: x\r\n" * 3 + MAIL)
    assert outcome(suite, qid, "off")[1:] == (
        "bounced", "unable to forward message: too many hops")
    qid = send(suite, "off", "Delivered-To: Off@here.test\r\n" + MAIL)
    assert outcome(suite, qid, "off")[1:] == (
        "bounced", "mail forwarding loop for off@here.test")


def test_users_of_authd_get_mail_where_they_find_it(make_suite):
    suite = make_suite(recipient_delimiter="+", virtual_mailbox_maps="",
                       minimal_backoff_time="1s", maximal_backoff_time="1s",
                       service_throttle_time="1s").with_auth()
    suite.add_login("dave@example.test", "secret",
                    f"mail=maildir:{suite.mail}/of-dave")
    suite.set(smtpd_relay_restrictions="reject_unauth_destination").start()
    suite.send(MAIL, to=["dave@example.test", "Dave+x@example.test"])
    Mailbox(suite.mail / "of-dave").wait(2)
    qid = suite.send(MAIL, to=["zoe@example.test"], sender="")
    suite.log.wait(rf"^{qid}: to=<zoe@example\.test>, .*status=bounced "
                   r'\(unknown user: "zoe@example\.test"\)$')
    suite.trouble_is_expected = True
    suite.kill("authd")
    suite.send(MAIL, to=["dave@example.test"])
    suite.drain()
    Mailbox(suite.mail / "of-dave").wait(3)


def test_what_goes_on_waits_for_cleanup(people):
    suite = people("off: alice@example.test\n", service_throttle_time="1s",
                   minimal_backoff_time="1s", maximal_backoff_time="1s")
    suite.trouble_is_expected = True
    suite.start()
    for _ in range(3):
        wait_for("cleanup", lambda: suite.pids("cleanup"))
        suite.kill("cleanup")
        send(suite, "off")
    suite.drain()
    # What cleanup had taken but not answered comes twice.
    assert len(suite.mailbox("alice").messages()) >= 3
