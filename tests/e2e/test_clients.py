"""Many clients, and changes of configuration while they are there."""
import contextlib
import re
import threading

import pytest

import load
from suite import wait_for
from wire import Wire

IDLE = 5000
SOURCES = 10  # addresses that the idle clients come from


def connect_idle(suite, n):
    """Connections that have read their greeting and say nothing."""
    wires = []
    try:
        for i in range(n):
            wires.append(Wire(suite.smtp, f"127.1.0.{i % SOURCES + 1}",
                              patience=60))
            if i % 100 == 99:
                for wire in wires[-100:]:
                    wire.expect(220)
    except BaseException:
        for wire in wires:
            wire.close()
        raise
    return wires


def test_mail_flows_with_5000_idle_clients(make_suite):
    assert load.raise_limits() >= IDLE * 2 + 1000
    suite = make_suite()
    suite.services["smtp"] = re.sub(r"\d+ smtpd$", f"{IDLE + 100} smtpd",
                                    suite.services["smtp"])
    suite.set(smtpd_timeout="1h").start()
    wires = connect_idle(suite, IDLE)
    try:
        clients = load.Load(suite, 500, 20)
        assert len(clients.finish()) == 500
        suite.wait_empty(60)
        load.check(suite, clients.accepted, at_most=1)
        # And those that were idle can still be served, first and last.
        for wire in (wires[0], wires[IDLE // 2], wires[-1]):
            wire.command("EHLO late.test", 250)
    finally:
        for wire in wires:
            wire.close()


def test_maxproc_bounds_sessions_and_the_next_client_waits(make_suite):
    suite = make_suite()
    suite.services["smtp"] = re.sub(r"\d+ smtpd$", "5 smtpd",
                                    suite.services["smtp"])
    suite.start()
    wires = [suite.wire() for _ in range(5)]
    for wire in wires:
        wire.expect(220)
    late = suite.wire()
    late.silence(0.5)
    wires[0].command("QUIT", 221)
    wires[0].close()
    late.expect(220)
    for wire in wires[1:] + [late]:
        wire.close()


def test_a_client_has_so_many_sessions_and_no_more(make_suite):
    suite = make_suite(smtpd_client_connection_count_limit="3").start()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(suite.wire("127.0.5.1")).expect(220)
        refused = stack.enter_context(suite.wire("127.0.5.1"))
        refused.expect(421, "4.7.0")
        refused.eof()
        # Another address has its own count; who is trusted has none.
        stack.enter_context(suite.wire("127.0.5.2")).expect(220)
        for _ in range(5):
            stack.enter_context(suite.wire("127.0.0.2")).expect(220)
    suite.log.wait(r"too many connections|limit", "smtpd")


@pytest.mark.parametrize("times", [2])
def test_a_reload_under_load_drops_nothing(make_suite, times):
    suite = make_suite(users=[f"user{n}" for n in range(5)]).start()
    stay = suite.session()  # one that was there before
    clients = load.Load(suite, 1000, 20)
    for n in range(times):
        clients.wait_accepted(1000 * (n + 1) // (times + 2))
        suite.set(smtpd_banner=f"$myhostname ESMTP number {n}").reload()

    def new_banner():
        with suite.wire() as wire:
            return f"number {times - 1}" in wire.reply().text
    wait_for("the new configuration", new_banner)
    accepted = clients.finish()
    assert not clients.broken and not clients.refused, clients.describe()
    suite.wait_empty(60)
    assert load.check(suite, accepted) == 0
    # Who was in the middle of something is not thrown out.
    stay.command("MAIL FROM:<bob@client.test>", 250)
    stay.command("QUIT", 221)


def test_a_new_table_is_seen_without_a_reload(suite):
    def known():
        with suite.session() as wire:
            wire.command("MAIL FROM:<bob@client.test>", 250)
            return wire.command("RCPT TO:<carol@example.test>").code == 250
    assert not known()
    suite.add_user("carol").write()
    wait_for("every worker to know carol",
             lambda: all(known() for _ in range(10)))
    suite.send("Subject: x\n\n", to="carol")
    suite.mailbox("carol").wait(1)


def test_twenty_clients_at_once_get_their_own_replies(suite):
    """Sessions of one worker do not see each other's transactions."""
    errors = []
    barrier = threading.Barrier(20)

    def client(n):
        try:
            with suite.session(helo=f"c{n}.test") as wire:
                wire.command(f"MAIL FROM:<s{n}@client.test>", 250)
                barrier.wait(30)
                wire.command("RCPT TO:<alice@example.test>", 250)
                wire.command("DATA", 354)
                barrier.wait(30)
                wire.send(b"Subject: %d\r\n\r\n.\r\n" % n)
                wire.expect(250)
        except Exception as e:
            errors.append(e)
            barrier.abort()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    for message in suite.mailbox("alice").wait(20):
        n = message.header("Subject")
        assert message.header("Return-Path") == f"<s{n}@client.test>"
        assert f"from c{n}.test " in message.header("Received")
