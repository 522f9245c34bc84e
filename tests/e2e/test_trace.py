"""posttrace tells whole stories: from the client to the mailbox and its UID."""
import imaplib
import json
import re
import ssl
import subprocess

import pytest

from nexthop import NextHop
from suite import PORT_BASE, own_address, wait_for

OURS = "127.0.0.2"  # may relay
MESSAGE = "Message-ID: <one@client.test>\r\nSubject: x\r\n\r\nhello\r\n"


def ask(suite, what, *options, ok=True):
    return suite.run("posttrace", "-c", suite.etc, *options, what, ok=ok)


def stories(suite, what, *events, options=(), count=1):
    """The stories, as lists of objects, once the first has these events."""
    def told():
        done = ask(suite, what, "--json", *options, ok=False)
        found = {}
        for line in done.stdout.splitlines():
            event = json.loads(line)
            found.setdefault(event["story"], []).append(event)
        found = [found[n] for n in sorted(found)]
        if len(found) < count:
            return None
        have = [e["event"] for e in found[0]]
        return found if set(events) <= set(have) else None
    return wait_for(f"{events} of {what}", told)


def names(story):
    return [e["event"] for e in story]


def one(story, name):
    event, = [e for e in story if e["event"] == name]
    return event


def test_delivered_mail_has_a_story_from_connect_to_uid(suite):
    qid = suite.send(MESSAGE)
    everything = ["CONNECT", "CLIENT", "MESSAGE_ID", "ACTIVE", "DELIVERY",
                  "REMOVED", "DISCONNECT"]
    story, = stories(suite, qid, *everything)
    assert sorted(names(story)) == sorted(everything)
    assert names(story)[:3] == everything[:3]
    times = [e["time"] for e in story]
    assert times == sorted(times)
    delivery = one(story, "DELIVERY")
    assert delivery["mailbox"] == "example.test/alice/"
    name = suite.mailbox("alice").paths()[0].name
    assert f"P{delivery['uidvalidity']}.{delivery['mailbox_uid']}" in name
    assert "uidvalidity" not in suite.log.text()
    # The same by each of its keys, letters in any case.
    for key in ("bob@client.test", "ALICE@example.test", "<one@client.test>",
                "one@client.test", "127.0.0.1"):
        assert names(stories(suite, key, *everything)[0]) == names(story), key
    text = ask(suite, qid).stdout
    assert re.search(r"^\S+ [\d:.]+ postrider/virtual: " + qid + r": to=<alice@"
                     r"example\.test>, .*status=sent \(delivered to maildir\) "
                     r"\[mailbox example\.test/alice/\] \[uidvalidity \d+\] "
                     r"\[uid 1\]$", text, re.M), text


def test_each_message_of_a_connection_has_its_own_story(suite):
    with suite.session() as wire:
        for to in ("alice", "bob"):
            wire.command("MAIL FROM:<bob@client.test>", 250)
            wire.command(f"RCPT TO:<{to}@example.test>", 250)
            wire.command("DATA", 354)
            wire.send(b"Subject: x\r\n\r\n.\r\n")
            wire.expect(250)
        wire.command("QUIT", 221)
    suite.log.wait("removed", count=2)
    first, second = stories(suite, "127.0.0.1", "DISCONNECT", "REMOVED",
                            count=2)
    for story in (first, second):
        assert names(story).count("CONNECT") == 1
        assert names(story).count("CLIENT") == 1
        assert len({e["id"] for e in story if "id" in e}) == 1
    story, = stories(suite, "alice@example.test", "DISCONNECT", "REMOVED")
    assert one(story, "DELIVERY")["to"] == "alice@example.test"


def test_a_refusal_says_which_rule_decided(make_suite):
    suite = make_suite()
    suite.files["senders"] = "evil@client.test REJECT go away\n"
    suite.set(smtpd_sender_restrictions=f"check_sender_access texthash:"
              f"{suite.etc}/senders").start()
    with suite.session() as wire:
        wire.command("MAIL FROM:<evil@client.test>", 250)
        wire.command("RCPT TO:<alice@example.test>", 554)
        wire.command("QUIT", 221)
    story, = stories(suite, "evil@client.test", "CONNECT", "DISCONNECT")
    assert names(story) == ["CONNECT", "REJECT", "DISCONNECT"]
    reject = one(story, "REJECT")
    assert reject["rule"] == (
        f"smtpd_sender_restrictions: check_sender_access texthash:{suite.etc}"
        "/senders (evil@client.test)")
    assert "go away" in reject["reply"]
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@client.test>", 250)
        wire.command("RCPT TO:<x@foreign.test>", 554)
        wire.command("QUIT", 221)
    story, = stories(suite, "x@foreign.test", "DISCONNECT")
    assert one(story, "REJECT")["rule"] == (
        "smtpd_relay_restrictions: reject_unauth_destination")


def test_a_mail_says_by_which_rules_it_came_in(make_suite):
    suite = make_suite()
    suite.files["senders"] = "bob@client.test OK\n"
    suite.set(smtpd_sender_restrictions=f"check_sender_access texthash:"
              f"{suite.etc}/senders, reject",
              smtpd_relay_restrictions="permit_auth_destination, "
                                       "reject").start()
    suite.send(MESSAGE, to="alice@example.test")
    story, = stories(suite, "alice@example.test", "REMOVED")
    assert one(story, "CLIENT")["rule"] == (
        f"smtpd_sender_restrictions: check_sender_access texthash:{suite.etc}"
        "/senders (bob@client.test); smtpd_relay_restrictions: "
        "permit_auth_destination")


def test_a_deferral_and_the_delivery_that_follows(make_suite):
    suite = make_suite()
    addr = own_address()
    hop = NextHop(addr, rcpt=["450 4.2.0 later", "250 2.1.5 ok"])
    suite.services["relay-out"] = "smtp unix - - n - 100 smtp"
    suite.set(relayhost=hop.hop, smtp_tcp_port=PORT_BASE + 25).start()
    with hop:
        qid = suite.send(MESSAGE, to="x@b.test", bind=OURS)
        suite.log.wait("status=deferred")
        suite.clock("+400s")
        suite.log.wait("removed")
    story, = stories(suite, qid, "REMOVED")
    tries = [e for e in story if e["event"] == "DELIVERY"]
    assert [t["status"] for t in tries] == ["deferred", "sent"]
    assert "later" in tries[0]["reason"]
    assert tries[0]["relay"].startswith(addr)


def test_a_bounce_is_in_the_story_of_what_it_tells_of(make_suite):
    suite = make_suite(smtpd_reject_unlisted_recipient="no").start()
    qid = suite.send(MESSAGE, to="ghost", sender="alice@example.test")
    suite.mailbox("alice").wait(1)
    suite.log.wait("removed", count=2)
    story, = stories(suite, qid, "NOTIFICATION", "REMOVED")
    new_id = one(story, "NOTIFICATION")["new_id"]
    assert names(story).count("REMOVED") == 2
    told = {(e["id"], e["to"]): e["status"] for e in story
            if e["event"] == "DELIVERY"}
    assert told == {(qid, "ghost@example.test"): "bounced",
                    (new_id, "alice@example.test"): "sent"}
    again, = stories(suite, new_id, "NOTIFICATION", "CONNECT")
    assert again == story


@pytest.mark.root
def test_a_forward_goes_on_under_a_new_id(make_suite):
    suite = make_suite()
    suite.with_people(f"list: alice@{suite.domain}, ben\n").start()
    qid = suite.send(MESSAGE, to="list@here.test")
    suite.mailbox("alice").wait(1)
    suite.log.wait(f"^{qid}: removed")
    story, = stories(suite, "alice@example.test", "CONNECT")
    assert qid in {e.get("id") for e in story}
    assert len({e["id"] for e in story if "id" in e}) == 2
    assert any(e.get("mailbox") == "example.test/alice/" for e in story)


@pytest.mark.root
def test_a_mail_to_a_users_home_has_its_uid(make_suite):
    suite = make_suite(home_mailbox="Maildir/").with_people().start()
    suite.send(MESSAGE, to="ann@here.test")
    story, = stories(suite, "ann@here.test", "REMOVED")
    delivery = one(story, "DELIVERY")
    assert (delivery["mailbox"], delivery["mailbox_uid"]) == ("Maildir/", 1)
    assert "mailbox" not in suite.log.find("status=sent")[0].string


def test_an_alias_is_found_by_both_addresses(make_suite):
    suite = make_suite()
    suite.files["aliases"] = "all@example.test alice@example.test, bob@example.test\n"
    suite.set(virtual_alias_maps=f"texthash:{suite.etc}/aliases").start()
    qid = suite.send(MESSAGE, to="all")
    suite.log.wait("removed")
    by_alias, = stories(suite, "all@example.test", "REMOVED")
    by_user, = stories(suite, "bob@example.test", "REMOVED")
    assert by_alias == by_user
    assert one(by_alias, "REMOVED")["id"] == qid
    assert {e["to"] for e in by_alias if e["event"] == "DELIVERY"} == {
        "alice@example.test", "bob@example.test"}


def test_logins_of_a_client(make_suite):
    suite = make_suite().with_tls().with_auth(alice="secret").with_mailboxes()
    suite.start()
    imap = imaplib.IMAP4(*suite.smtp[:1], suite.port("imap"))
    imap.starttls(ssl._create_unverified_context())
    imap.login("alice@example.test", "secret")
    imap.logout()
    story, = stories(suite, "alice@example.test", "LOGIN", "SESSION")
    assert one(story, "LOGIN")["method"] == "PLAIN"
    assert one(story, "SESSION")["session"] == one(story, "LOGIN")["session"]
    by_addr, = stories(suite, one(story, "LOGIN")["rip"], "LOGIN", "SESSION")
    assert by_addr == story


def test_the_ring_outlives_restarts_and_a_killed_postlogd(suite):
    qid = suite.send(MESSAGE)
    stories(suite, qid, "REMOVED", "DISCONNECT")
    suite.trouble_is_expected = True
    suite.kill("postlogd")
    second = suite.send(MESSAGE)
    stories(suite, second, "REMOVED", "DISCONNECT")
    stories(suite, qid, "REMOVED")
    suite.stop()
    told = ask(suite, qid).stdout  # also while nothing runs
    assert f"{qid}: removed" in told
    suite.start()
    third = suite.send(MESSAGE)
    stories(suite, third, "REMOVED")
    assert ask(suite, qid).stdout == told


@pytest.mark.sandbox
def test_events_are_kept_from_within_a_sandbox(make_suite):
    suite = make_suite(sandbox="enforce").start()
    stories(suite, suite.send(MESSAGE), "REMOVED")
    suite.set(trace_ring_size=2000000).reload()
    wait_for("a smaller ring",
             lambda: (suite.dir / "data/trace").stat().st_size < 20000000)
    stories(suite, suite.send(MESSAGE), "REMOVED")


def test_times_bound_what_is_told(suite):
    first = suite.send(MESSAGE)
    stories(suite, first, "REMOVED", "DISCONNECT")
    assert ask(suite, first, "--until", "1h", ok=False).returncode == 1
    assert ask(suite, first, "--since", "1h").returncode == 0
    assert ask(suite, first, "-s", "2099-01-01T10:00", ok=False).returncode == 1
    assert ask(suite, first, "-s", "yesterday", ok=False).returncode == 64
    assert ask(suite, "nobody@x.test", ok=False).returncode == 1
    suite.send(MESSAGE)
    suite.log.wait("removed", count=2)
    stories(suite, "bob@client.test", "REMOVED", count=2)
    done = ask(suite, "bob@client.test", "-n", "1", "-j")
    assert {json.loads(line)["story"] for line in done.stdout.splitlines()} \
        == {1}
    assert "there is more" in done.stderr


def test_a_size_of_0_keeps_nothing_and_another_begins_anew(make_suite):
    suite = make_suite(trace_ring_size=0).start()
    suite.send(MESSAGE)
    suite.log.wait("removed")
    assert ask(suite, "alice@example.test", ok=False).returncode == 69
    suite.set(trace_ring_size=2000000).reload()
    wait_for("the ring", (suite.dir / "data/trace").exists)
    qid = suite.send(MESSAGE)
    stories(suite, qid, "REMOVED")
    status = (suite.dir / "data/trace").stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_size > 2000000
    suite.set(trace_ring_size=3000000).reload()
    wait_for("a larger ring",
             lambda: (suite.dir / "data/trace").stat().st_size > 3000000)


@pytest.mark.root
def test_others_may_not_ask(suite):
    done = subprocess.run(
        [suite.commands / "posttrace", "-c", suite.etc, "alice@example.test"],
        user=5000, group=5000, extra_groups=[], capture_output=True,
        env=suite.environment(), check=False)
    assert done.returncode == 77, done
    assert not done.stdout
