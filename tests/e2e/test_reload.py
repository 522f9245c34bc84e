"""What changes in main.cf takes effect at a reload, and nobody loses his session."""
import contextlib
import json

import pytest

from nexthop import NextHop
from suite import own_address, wait_for

OURS = "127.0.0.2"  # may relay
STRANGER = "127.9.8.7"
TEXT = "Subject: x\r\n\r\nx\r\n.\r\n"
OPEN = 10  # sessions that are in the middle of a message


@pytest.fixture
def hops():
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(NextHop(own_address())) for _ in range(3)]


def transports(suite, hop):
    suite.files["transport"] = f"special.test smtp:{hop.hop}\n"


@pytest.fixture
def suite(make_suite, hops):
    suite = make_suite().with_tls()
    suite.services["relay-out"] = "smtp unix - - n - 100 smtp"
    suite.files["senders"] = "bad@client.test REJECT\n"
    transports(suite, hops[0])
    return suite.set(
        relayhost=hops[0].hop,
        transport_maps=f"texthash:{suite.etc}/transport",
        smtpd_tls_security_level="none",
        smtpd_sender_restrictions=f"check_sender_access "
                                  f"texthash:{suite.etc}/senders",
        smtpd_client_connection_count_limit="50",
        message_size_limit="1000000").start()


def change(suite, hops):
    """All but the form of the log, which the suite itself reads."""
    suite.files["senders"] = "worse@client.test REJECT\n"  # a table
    transports(suite, hops[2])  # a transport
    suite.set(relayhost=hops[1].hop,
              smtpd_recipient_restrictions="check_helo_access "
              "inline:{stranger.test=REJECT}, permit",  # a restriction list
              smtpd_banner="$myhostname changed",
              message_size_limit="2000000",
              smtpd_tls_security_level="may",
              smtpd_client_connection_count_limit="1",  # concurrency
              myhostname="other.example.test")  # names


def middle(suite):
    """A session that has said all but its text."""
    wire = suite.session(bind=OURS)
    wire.command("MAIL FROM:<bob@client.test>", 250)
    wire.command("RCPT TO:<alice@example.test>", 250)
    wire.command("DATA", 354)
    return wire


def hello(suite, bind=None, name="client.test"):
    """(greeting, keywords, session)."""
    wire = suite.wire(bind)
    greeting = wire.expect(220).text
    return greeting, wire.command(f"EHLO {name}", 250).texts, wire


def refused(wire, sender, rcpt="alice@example.test"):
    """The text of the reply to MAIL or RCPT that is no 250, or None."""
    for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{rcpt}>"):
        answer = wire.command(line)
        if answer.code != 250:
            wire.command("RSET", 250)
            return str(answer)
    wire.command("RSET", 250)
    return None


def before_and_after(suite, hops, changed):
    """What a new session sees."""
    greeting, keywords, wire = hello(suite, OURS)
    with wire:
        assert keywords[0].startswith("other." if changed else "mail.")
        assert ("SIZE 2000000" in keywords) == changed
        assert ("SIZE 1000000" in keywords) != changed
        assert ("STARTTLS" in keywords) == changed
        assert ("changed" in greeting) == changed
        assert bool(refused(wire, "bad@client.test")) != changed
        assert bool(refused(wire, "worse@client.test")) == changed
        wire.command("QUIT", 221)
    _, _, wire = hello(suite, OURS, "stranger.test")
    with wire:
        assert bool(refused(wire, "a@client.test")) == changed
        wire.command("QUIT", 221)
    for domain, hop in (("far.test", hops[changed]),
                        ("special.test", hops[2 * changed])):
        had = len(hop.messages)
        suite.send("Subject: out\r\n\r\n", to=f"x@{domain}", bind=OURS)
        wait_for("mail at the next hop",
                 lambda hop=hop, had=had: len(hop.messages) > had)


def test_ten_kinds_of_change_lose_nobody(suite, hops):
    before_and_after(suite, hops, False)
    sessions = [middle(suite) for _ in range(OPEN)]
    idle = suite.session(bind=STRANGER)
    old = suite.pids("smtpd")
    change(suite, hops)
    suite.reload()
    wait_for("new workers", lambda: set(suite.pids("smtpd")) - set(old))

    def has_changed():
        greeting, _, wire = hello(suite, OURS)
        with wire:
            wire.command("QUIT", 221)
        return "changed" in greeting
    wait_for("the new banner", has_changed)
    for wire in sessions[:5]:  # they end as they began
        wire.send(TEXT.encode())
        assert wire.expect(250).text.startswith("2.0.0 Ok: queued as")
    before_and_after(suite, hops, True)
    # At most one at a time of an address, besides those who were there.
    _, _, first = hello(suite, "127.9.8.6")
    second = suite.wire("127.9.8.6")
    assert second.expect(421)
    first.command("QUIT", 221)
    suite.set(log_format="json").write()
    suite.run("postrider", "-c", suite.etc, "reload")
    wait_for("a line of JSON", lambda: any(
        json.loads(line)
        for line in suite.log.text().splitlines() if line.startswith("{")))
    for wire in sessions[5:]:
        wire.send(TEXT.encode())
        assert wire.expect(250).text.startswith("2.0.0 Ok: queued as")
    assert idle.command("NOOP").code == 250
    for wire in [*sessions, idle]:
        wire.command("QUIT", 221)
    assert len(suite.mailbox("alice").wait(OPEN)) == OPEN
