"""Mail goes out: to other suites by DNS, and to next hops of all manners."""
import base64
import email
import os
import re
import signal
import smtplib
import ssl
import subprocess
import threading

import pytest

from nameserver import NameServer
from nexthop import DROP, SILENT, NextHop
from suite import PORT_BASE, make_certificate, own_address, wait_for

OURS = "127.0.0.2"  # may relay
MESSAGE = "Subject: out\r\n\r\nhello\r\n.dot\r\n"


def with_smtp(suite, **params):
    """Lets a suite send mail out."""
    suite.services["relay-out"] = "smtp unix - - n - 100 smtp"
    suite.services["lmtp"] = "lmtp unix - - n - 100 lmtp"
    return suite.set(smtp_tcp_port=PORT_BASE + 25, sandbox="enforce",
                     **params)


@pytest.fixture
def sender(make_suite):
    """sender(HOP, PARAM=..): a suite whose mail goes to that next hop."""
    def make(hop, **params):
        suite = make_suite()
        return with_smtp(suite, relayhost=hop.hop, **params).start()
    return make


def outcome(suite, to="x@b.test", patience=30):
    """(dsn, status, text) of the delivery to this address."""
    found = suite.log.wait(rf"to=<{re.escape(to)}>, .*dsn=(\S+), "
                           rf"status=(\w+) \((.*)\)$", patience=patience)
    return found.groups()


def test_one_suite_relays_to_another_by_mx_over_tls(make_suite):
    a, b = make_suite("a"), make_suite("b")
    b.domain = "b.test"
    b.default_configuration()
    b.with_tls().add_user("bob")
    b.users["bob"] = "b.test/bob/"
    with NameServer(a.addr, PORT_BASE + 53, {
            ("b.test", "MX"): [(20, "down.b.test"), (10, "mx.b.test")],
            ("mx.b.test", "A"): [b.addr],
            ("down.b.test", "A"): [a.addr]}):
        b.start()
        with_smtp(a, smtp_tls_security_level="may", smtp_tls_loglevel="1")
        a.start()
        queue_id = a.send(MESSAGE, to="bob@b.test", bind=OURS)
        message = b.mailbox("bob").wait(1)[0]
        assert message.body == b"hello\n.dot\n"
        assert "TLSv1.3" in message.header("Received")
        a.log.wait(rf"^{queue_id}: to=<bob@b\.test>, relay=mx\.b\.test\["
                   rf"{re.escape(b.addr)}\]:10025, delay=\S+, "
                   r"delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, "
                   r"status=sent \(250 2\.0\.0 Ok: queued as \w+\)$")
        a.log.wait(rf"^Untrusted TLS connection established to mx\.b\.test\["
                   rf"{re.escape(b.addr)}\]:10025: TLSv1\.3 with cipher")
        a.log.wait(rf"^{queue_id}: removed$")
        a.wait_empty()


def test_what_a_down_next_hop_defers_goes_when_it_is_up(make_suite):
    addr = own_address()
    a = with_smtp(make_suite(), relayhost=f"[{addr}]:2525").start()
    a.send(MESSAGE, to="x@b.test", bind=OURS)
    text = f"connect to {addr}[{addr}]:2525: Connection refused"
    assert outcome(a) == ("4.4.1", "deferred", text)
    wait_for("mailq to say why", lambda: text in a.run(
        "postqueue", "-c", a.etc, "-p").stdout)
    with NextHop(addr, 2525) as hop:
        a.run("postqueue", "-c", a.etc, "-f")
        a.wait_empty()
        assert hop.messages[0].endswith(
            b"Subject: out\r\n\r\nhello\r\n.dot\r\n")


def test_mailq_shows_each_message_once_while_all_are_tried(make_suite):
    hop = f"[{own_address()}]:2525"  # nobody is there
    a = with_smtp(make_suite(), relayhost=hop).start()
    with a.session(bind=OURS) as session:
        for _ in range(400):
            session.command("MAIL FROM:<me@client.test>", 250)
            session.command("RCPT TO:<x@b.test>", 250)
            session.command("DATA", 354)
            session.send(b"Subject: x\r\n\r\n.\r\n")
            session.expect(250)
    a.log.wait("status=deferred", count=400)
    enough = threading.Event()

    def flush():
        while not enough.is_set():
            a.run("postqueue", "-c", a.etc, "-f")

    flusher = threading.Thread(target=flush)
    flusher.start()
    try:
        shown = [[m["queue_id"] for m in a.queue()] for _ in range(15)]
    finally:
        enough.set()
        flusher.join()
    assert [len(ids) for ids in shown] == [400] * 15
    assert all(len(set(ids)) == 400 for ids in shown)


def test_fifty_long_recipients_fill_more_than_one_request(make_suite):
    with NextHop(own_address()) as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop).start()
        people = [f"{i:02}" + "x" * 200 + "@b.test" for i in range(50)]
        with a.session(bind=OURS) as session:
            session.command("MAIL FROM:<me@client.test>", 250)
            for who in people:
                session.command(f"RCPT TO:<{who}> ORCPT=rfc822;{1500 * 'o'}", 250)
            session.command("DATA", 354)
            session.send(b"Subject: x\r\n\r\n.\r\n")
            session.expect(250)
        a.wait_empty()
        a.log.wait("status=sent", count=50)
        assert not a.log.find("ended in the midst|status=deferred")
        assert len(hop.messages) > 1


def test_a_next_hop_that_dies_while_another_recipient_is_looked_up(make_suite):
    gate = threading.Event()
    with NextHop(own_address(), connect=lambda _: gate.wait(30) and DROP) \
            as hop:
        a = with_smtp(make_suite().with_auth(alice="secret"),
                      relayhost=hop.hop, initial_destination_concurrency="1",
                      smtp_destination_concurrency_limit="1").start()
        a.run("sendmail", "first@b.test", stdin=b"Subject: x\n\n")
        wait_for("the session", lambda: hop.sessions)
        stopped = a.kill("auth", signal.SIGSTOP)
        try:
            a.run("sendmail", "second@b.test", "ghost@example.test",
                  stdin=b"Subject: x\n\n")
            a.log.wait("nrcpt=2", "qmgr")
            gate.set()
            outcome(a, "first@b.test")
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert outcome(a, "second@b.test")[1] == "deferred"
        assert outcome(a, "ghost@example.test")[1] == "bounced"
        assert a.pids("qmgr")


@pytest.mark.parametrize("to", ["x@b.test", "alice@example.test"])
def test_damaged_content_is_set_aside_and_not_tried_again(make_suite, to):
    with NextHop(own_address()) as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop,
                      defer_transports="smtp, virtual").start()
        queue_id = a.send(MESSAGE, to=to, bind=OURS)
        a.log.wait("deferred transport")
        wait_for("the file", lambda: a.files_in("deferred"))
        a.stop()
        file, = a.files_in("deferred")
        file.write_bytes(file.read_bytes().replace(b"hello", b"hallo"))
        a.set(defer_transports="").start()
        a.clock("+400s")  # a flush might come before it is found
        a.log.wait(rf"^warning: {queue_id}: its content is damaged: moved to "
                   rf"corrupt/{queue_id}", "qmgr")
        assert [f.name for f in a.files_in()] == [queue_id]
        assert not hop.messages and not a.queue()


def test_a_file_that_somebody_removed_is_forgotten(make_suite):
    gate = threading.Event()
    with NextHop(own_address(), connect=lambda _: gate.wait(30) and DROP) \
            as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop).start()
        queue_id = a.send(MESSAGE, to="x@b.test", bind=OURS)
        wait_for("the session", lambda: hop.sessions)
        for file in a.files_in("incoming"):
            file.unlink()
        gate.set()
        a.log.wait(rf"^warning: {queue_id}: somebody has removed", "qmgr")
        assert not a.queue()


def test_a_transport_that_cannot_be_reached_is_left_alone(make_suite):
    with NextHop(own_address()) as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop,
                      transport_retry_time="1h").start()
        socket = a.queue_dir / "private/smtp"
        away = socket.with_name("away")
        socket.rename(away)
        a.trouble_is_expected = True
        old, = a.kill("qmgr")
        wait_for("a new qmgr", lambda: set(a.pids("qmgr")) - {old})
        pid, = set(a.pids("qmgr")) - {old}
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        unavailable = ("4.3.0", "deferred", "mail transport unavailable")
        assert outcome(a) == unavailable
        fds = len(os.listdir(f"/proc/{pid}/fd"))
        away.rename(socket)
        wait_for("the service to be found",
                 lambda: len(os.listdir(f"/proc/{pid}/fd")) > fds)
        a.send(MESSAGE, to="y@b.test", bind=OURS)
        assert outcome(a, "y@b.test") == unavailable
        a.run("postqueue", "-c", a.etc, "-f")
        wait_for("both", lambda: len(hop.messages) == 2)
        a.wait_empty()


def test_what_waits_for_one_site_is_tried(make_suite):
    a = with_smtp(make_suite(), defer_transports="smtp",
                  relayhost=f"[{own_address()}]:2525").start()
    ids = {to: a.send(MESSAGE, to=to, bind=OURS)
           for to in ("x@b.test", "y@B.Test", "z@c.test")}
    a.log.wait("deferred transport", count=3)
    with NextHop(own_address()) as hop:
        a.set(defer_transports="", relayhost=hop.hop).write()
        a.reload()
        a.log.wait("^configuration was read anew", "qmgr")
        a.run("postqueue", "-c", a.etc, "-s", "nowhere.test")
        a.run("postqueue", "-c", a.etc, "-s", "b.test")
        for to in ("x@b.test", "y@B.Test"):
            a.log.wait(rf"^{ids[to]}: removed")
        assert [m["queue_id"] for m in a.queue()] == [ids["z@c.test"]]
        assert len(hop.messages) == 2


def test_what_waits_for_a_dead_next_hop_is_not_tried(make_suite):
    addr = own_address()
    a = with_smtp(make_suite(), relayhost=f"[{addr}]:2525",
                  smtp_destination_concurrency_limit="1",
                  initial_destination_concurrency="1").start()
    for i in range(10):
        a.send(MESSAGE, to=f"x{i}@b.test", bind=OURS)
    refused = rf"connect to {addr}\[{addr}\]:2525: Connection refused"
    a.log.wait(r"status=deferred", count=10)
    assert a.log.find(rf"relay=none, .*status=deferred \(delivery temporarily "
                      rf"suspended: {refused}\)$")
    assert len(a.log.find(f"^{refused}")) < 10
    with NextHop(addr, 2525) as hop:
        a.clock("+400s")
        wait_for("all mail", lambda: len(hop.messages) == 10)
        a.wait_empty()


def test_maxproc_bounds_deliveries_of_the_service(make_suite):
    gate = threading.Event()
    with NextHop(own_address(), dot=lambda _: gate.wait(
            30) and "250 2.0.0 taken") as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop)
        a.services["relay-out"] = "smtp unix - - n - 2 smtp"
        a.start()
        for i in range(6):
            a.send(MESSAGE, to=f"x@b{i}.test", bind=OURS)
        wait_for("two deliveries", lambda: len(hop.messages) == 2)
        a.send("Subject: x\r\n\r\n", to="alice")
        a.mailbox("alice").wait(1)
        assert len(hop.sessions) == 2
        gate.set()
        wait_for("all mail", lambda: len(hop.messages) == 6)
        a.wait_empty()


def test_a_name_server_that_is_changed_counts_after_a_reload(make_suite):
    a = with_smtp(make_suite())
    old = {("b.test", "MX"): [(1, "old.b.test")],
           ("old.b.test", "A"): [own_address()]}
    with NextHop(own_address(), PORT_BASE + 25) as hop, \
            NameServer(a.addr, PORT_BASE + 53, old), \
            NameServer(a.addr, PORT_BASE + 54, {
                ("b.test", "MX"): [(1, "new.b.test")],
                ("new.b.test", "A"): [hop.address[0]]}) as new:
        a.start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        a.log.wait(r"relay=none, .*status=deferred")
        before, = a.pids("dnsd")
        a.set(dns_servers=f"{a.addr}@{PORT_BASE + 54}").reload()
        wait_for("the old resolver's end",
                 lambda: before not in a.pids("dnsd"))
        a.run("postqueue", "-c", a.etc, "-f")
        wait_for("the mail", lambda: hop.messages)
        assert new.asked
        a.wait_empty()


def test_commands_go_together_and_recipients_fare_on_their_own(sender):
    with NextHop(own_address(), rcpt=["250 2.1.5 ok", "550 5.1.1 nobody",
                                      "450 4.2.0 full"]) as hop:
        a = sender(hop)
        a.send(MESSAGE, to=["a@b.test", "c@b.test", "d@b.test"], bind=OURS)
        name = f"{hop.address[0]}[{hop.address[0]}]"
        assert outcome(a, "a@b.test") == ("2.0.0", "sent",
                                          "250 2.0.0 taken")
        assert outcome(a, "c@b.test") == (
            "5.1.1", "bounced", f"host {name} said: 550 5.1.1 nobody "
            "(in reply to RCPT TO command)")
        assert outcome(a, "d@b.test")[:2] == ("4.2.0", "deferred")
        assert hop.sessions[0].commands[:6] == [
            "EHLO mail.example.test",
            "MAIL FROM:<bob@client.test> SIZE=" + hop.sessions[0].commands[
                1].split("SIZE=")[1],
            *(f"RCPT TO:<{who}@b.test> ORCPT=rfc822;{who}@b.test"
              for who in "acd"), "DATA"]


STAGES = {
    "connect": ("", "receiving the initial server greeting"),
    "ehlo": ("EHLO command", "performing the EHLO handshake"),
    "mail": ("MAIL FROM command", "sending MAIL FROM"),
    "rcpt": ("RCPT TO command", "sending RCPT TO"),
    "data": ("DATA command", "sending DATA command"),
    "dot": ("end of DATA command", "sending end of data -- message may be "
            "sent more than once"),
}


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("code, dsn, status", [
    ("450 4.7.1", "4.7.1", "deferred"), ("550 5.7.1", "5.7.1", "bounced")])
def test_what_is_refused_at_each_stage_is_told(make_suite, code, dsn, status,
                                               pipelining):
    a = with_smtp(make_suite())
    hops = {}
    extensions = ["PIPELINING"] if pipelining else []
    routes = []
    for stage in ("mail", "rcpt", "data", "dot"):
        hops[stage] = NextHop(own_address(), extensions=extensions,
                              **{stage: f"{code} no"})
        routes.append(f"{stage}.test smtp:{hops[stage].hop}")
    a.files["transport"] = "\n".join(routes) + "\n"
    a.set(transport_maps=f"texthash:{a.etc}/transport").start()
    for stage, hop in hops.items():
        a.send(MESSAGE, to=f"x@{stage}.test", bind=OURS)
        name = f"{hop.address[0]}[{hop.address[0]}]"
        assert outcome(a, f"x@{stage}.test") == (
            dsn, status, f"host {name} said: {code} no "
            f"(in reply to {STAGES[stage][0]})")
        hop.close()


def test_a_connection_dropped_at_each_stage_is_told(make_suite):
    a = with_smtp(make_suite())
    hops = {stage: NextHop(own_address(), **{stage: DROP})
            for stage in STAGES}
    a.files["transport"] = "".join(f"{stage}.test smtp:{hop.hop}\n"
                                   for stage, hop in hops.items())
    a.set(transport_maps=f"texthash:{a.etc}/transport").start()
    for stage, hop in hops.items():
        a.send(MESSAGE, to=f"x@{stage}.test", bind=OURS)
    for stage, hop in hops.items():
        name = f"{hop.address[0]}[{hop.address[0]}]"
        assert outcome(a, f"x@{stage}.test") == (
            "4.4.2", "deferred",
            f"lost connection with {name} while {STAGES[stage][1]}")
        hop.close()


def test_who_refuses_to_talk_is_told(make_suite):
    with NextHop(own_address(), connect="554 5.7.1 go away") as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop).start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        name = f"{hop.address[0]}[{hop.address[0]}]"
        dsn, status, text = outcome(a)
        assert status == "deferred"
        assert text == f"host {name} refused to talk to me: 554 5.7.1 go away"


def test_a_server_that_falls_silent_is_left(sender):
    with NextHop(own_address(), mail=SILENT) as hop:
        a = sender(hop)
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        wait_for("MAIL", lambda: hop.sessions and any(
            c.startswith("MAIL") for c in hop.sessions[0].commands))
        a.clock("+301s")
        name = f"{hop.address[0]}[{hop.address[0]}]"
        assert outcome(a) == ("4.4.2", "deferred",
                              f"conversation with {name} timed out while "
                              "sending MAIL FROM")


def test_replies_that_were_not_asked_for_are_not_believed(sender):
    ahead = "\r\n".join(["220 hi", "250 hop", "250 ok", "250 ok", "354 go",
                         "250 2.0.0 taken"])
    with NextHop(own_address(), connect=ahead) as hop:
        a = sender(hop)
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        dsn, status, text = outcome(a)
        assert (dsn, status) == ("4.5.0", "deferred")
        assert "sent a reply that was not asked for" in text


def test_a_reply_of_ten_megabytes_is_cut(sender):
    line = "550-5.7.1 " + "x" * 500
    reply = "\r\n".join([line] * 20000 + ["550 5.7.1 enough"])
    with NextHop(own_address(), rcpt=reply, extensions=[]) as hop:
        a = sender(hop)
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        dsn, status, text = outcome(a)
        assert (dsn, status) == ("5.7.1", "bounced")
        assert len(text) < 1024


def test_a_connection_carries_more_than_one_mail(make_suite):
    with NextHop(own_address()) as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop, service_workers="1",
                      smtp_destination_concurrency_limit="1",
                      initial_destination_concurrency="1").start()
        for _ in range(6):
            a.send(MESSAGE, to="x@b.test", bind=OURS)
        a.wait_empty()
        assert len(hop.messages) == 6
        assert len(hop.sessions) < 6
        a.log.wait(r"relay=\S+, conn_use=2, delay=")
        assert "RSET" in sum(hop.commands(), [])


def test_a_kept_connection_that_was_closed_costs_nothing(make_suite):
    with NextHop(own_address(), rset=DROP) as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop, service_workers="1",
                      smtp_destination_concurrency_limit="1",
                      initial_destination_concurrency="1").start()
        for _ in range(6):
            a.send(MESSAGE, to="x@b.test", bind=OURS)
        a.wait_empty()
        assert len(hop.messages) == 6
        assert "RSET" in sum(hop.commands(), [])
        assert not a.log.find("status=deferred")


def test_a_worker_that_is_replaced_ends_its_delivery_first(sender):
    with NextHop(own_address(), dot=SILENT) as hop:
        a = sender(hop)
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        wait_for("the mail", lambda: hop.messages)
        before = set(a.pids("smtp"))
        a.reload()
        wait_for("new workers", lambda: set(a.pids("smtp")) - before)
        hop.sessions[0].send("250 2.0.0 taken")
        a.wait_empty()
        hop.replies["dot"] = "250 2.0.0 taken"
        a.send(MESSAGE, to="y@b.test", bind=OURS)
        a.wait_empty()
        wait_for("the old workers to end",
                 lambda: not before & set(a.pids("smtp")))
        assert len(hop.messages) == 2


def test_a_worker_that_dies_loses_no_mail(sender):
    with NextHop(own_address(), mail=SILENT) as hop:
        a = sender(hop)
        a.trouble_is_expected = True
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        wait_for("MAIL", lambda: hop.sessions and any(
            c.startswith("MAIL") for c in hop.sessions[0].commands))
        hop.replies["mail"] = "250 ok"
        a.kill("smtp")
        a.wait_empty()
        assert len(hop.messages) == 1


def test_the_queue_manager_cannot_be_played_by_others(sender):
    with NextHop(own_address()) as hop:
        a = sender(hop)
        mode = (a.queue_dir / "private" / "smtp").stat().st_mode
        assert mode & 0o177 == 0


def test_a_transport_without_a_service_defers(make_suite):
    a = make_suite().start()
    a.send(MESSAGE, to="x@b.test", bind=OURS)
    dsn, status, text = outcome(a)
    assert (dsn, status) == ("4.3.0", "deferred")
    assert text.startswith("mail transport unavailable")


def tls_context(tmp_path):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(make_certificate(tmp_path / "hop.pem", "hop.test"))
    return made


def test_mail_is_not_sent_in_the_clear_where_tls_is_required(sender):
    with NextHop(own_address(), extensions=["PIPELINING"]) as hop:
        a = sender(hop, smtp_tls_security_level="encrypt")
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        name = f"{hop.address[0]}[{hop.address[0]}]"
        assert outcome(a) == ("4.7.4", "deferred", "TLS is required, but was "
                              f"not offered by host {name}")


def test_starttls_that_is_refused_or_broken_is_done_without(
        make_suite, tmp_path):
    a = with_smtp(make_suite(), smtp_tls_security_level="may")
    offers = ["PIPELINING", "STARTTLS"]
    hops = {
        "refused": NextHop(own_address(), extensions=offers,
                           starttls="454 4.7.0 not now"),
        "broken": NextHop(own_address(), extensions=offers),
        "good": NextHop(own_address(), extensions=offers,
                        tls=tls_context(tmp_path)),
    }
    a.files["transport"] = "".join(f"{name}.test smtp:{hop.hop}\n"
                                   for name, hop in hops.items())
    a.set(transport_maps=f"texthash:{a.etc}/transport").start()
    for name, hop in hops.items():
        a.send(MESSAGE, to=f"x@{name}.test", bind=OURS)
    for name, hop in hops.items():
        assert outcome(a, f"x@{name}.test")[1] == "sent", name
        assert [s.tls for s in hop.sessions if s.messages] == [name == "good"]
        hop.close()


def test_what_is_said_before_the_handshake_ends_the_session(sender, tmp_path):
    with NextHop(own_address(), extensions=["STARTTLS"],
                 starttls="220 go on\r\n250 injected",
                 tls=tls_context(tmp_path)) as hop:
        a = sender(hop, smtp_tls_security_level="may")
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        dsn, status, _ = outcome(a)
        assert status == "deferred"
        assert not hop.messages


def test_we_log_in_where_we_have_a_password(sender):
    with NextHop(own_address(), extensions=["AUTH PLAIN LOGIN"]) as hop:
        a = sender(hop, smtp_sasl_auth_enable="yes",
                   smtp_sasl_security_options="noanonymous",
                   smtp_sasl_password_maps=f"inline:{{{hop.hop}=me:secret}}")
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        assert outcome(a)[1] == "sent"
        assert hop.sessions[0].commands[1] == "AUTH PLAIN AG1lAHNlY3JldA=="


def test_lmtp_answers_for_each_recipient(make_suite):
    with NextHop(own_address(), lmtp=True, dot=[
            "250 2.1.5 in", "550 5.2.2 full", "250 2.1.5 in"]) as hop:
        a = with_smtp(make_suite(),
                      relayhost="", default_transport="lmtp:inet:"
                      f"{hop.address[0]}:{hop.address[1]}").start()
        a.send(MESSAGE, to=["a@b.test", "c@b.test", "d@b.test"], bind=OURS)
        assert outcome(a, "a@b.test")[:2] == ("2.1.5", "sent")
        assert outcome(a, "c@b.test")[:2] == ("5.2.2", "bounced")
        assert outcome(a, "d@b.test")[:2] == ("2.1.5", "sent")
        assert hop.sessions[0].commands[0] == "LHLO mail.example.test"


def test_lmtp_by_a_socket_of_the_machine(make_suite):
    a = make_suite()
    path = a.dir / "lmtp.sock"
    with NextHop(str(path), lmtp=True) as hop:
        path.chmod(0o666)
        with_smtp(a, default_transport=f"lmtp:unix:{path}").start()
        a.send(MESSAGE, to="a@b.test", bind=OURS)
        assert outcome(a, "a@b.test")[1] == "sent"
        a.log.wait(rf"relay=mail\.example\.test\[{path}\], delay=")
        assert len(hop.messages) == 1
    path.unlink()
    a.send(MESSAGE, to="c@b.test", bind=OURS)
    assert outcome(a, "c@b.test") == (
        "4.4.1", "deferred",
        f"connect to mail.example.test[{path}]: No such file or directory")


def test_lmtp_replies_that_lack_are_not_taken_for_granted(make_suite):
    with NextHop(own_address(), lmtp=True,
                 dot=["250 2.1.5 in", DROP]) as hop:
        a = with_smtp(make_suite(), default_transport="lmtp:inet:"
                      f"{hop.address[0]}:{hop.address[1]}").start()
        a.send(MESSAGE, to=["a@b.test", "c@b.test"], bind=OURS)
        assert outcome(a, "a@b.test")[1] == "sent"
        dsn, status, text = outcome(a, "c@b.test")
        assert (dsn, status) == ("4.4.2", "deferred")
        assert "message may be sent more than once" in text


@pytest.mark.parametrize("records, dsn, status, text", [
    ({}, "5.4.4", "bounced",
     "Host or domain name not found. Name service error for name=b.test "
     "type=AAAA: Host not found"),
    ({"b.test": "SERVFAIL"}, "4.4.3", "deferred",
     "Host or domain name not found. Name service error for name=b.test "
     "type=MX: Host not found, try again"),
    ({("b.test", "MX"): [(0, "")]}, "5.1.0", "bounced",
     "Domain b.test does not accept mail (nullMX)"),
    ({("b.test", "MX"): [(10, "mail.example.test"), (20, "y.b.test")],
      ("mail.example.test", "A"): ["192.0.2.1"],
      ("y.b.test", "A"): ["192.0.2.2"]}, "5.4.6", "bounced",
     "mail for b.test loops back to myself"),
])
def test_names_without_servers(make_suite, records, dsn, status, text):
    a = with_smtp(make_suite())
    with NameServer(a.addr, PORT_BASE + 53, records):
        a.start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        assert outcome(a) == (dsn, status, text)


@pytest.mark.parametrize("params, hop, parameter, dsn", [
    ({"relayhost": "gone.test"}, None, "relayhost", "4.3.5"),
    ({"smtp_fallback_relay": "gone.test"}, "gone2.test",
     "smtp_fallback_relay", "4.3.5"),
    # Down, and no other: it is the first one's fault.
    ({"smtp_fallback_relay": "gone.test"}, "down.test", None, "4.4.1"),
])
def test_what_the_administrator_mistyped_bounces_nobodys_mail(
        make_suite, params, hop, parameter, dsn):
    a = with_smtp(make_suite(), **params)
    if hop:
        a.set(default_transport=f"smtp:{hop}")
    with NameServer(a.addr, PORT_BASE + 53,
                    {("down.test", "A"): [own_address()]}):
        a.start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        assert outcome(a)[:2] == (dsn, "deferred")
        if parameter:
            a.trouble_is_expected = True
            a.log.wait(f"warning: {parameter} configuration problem$")


def test_a_server_of_less_preference_is_asked_when_the_first_is_down(
        make_suite):
    a = with_smtp(make_suite())
    down = own_address()
    with NextHop(own_address(), PORT_BASE + 25) as hop, NameServer(
            a.addr, PORT_BASE + 53, {
                ("b.test", "MX"): [(10, "down.b.test"), (20, "up.b.test")],
                ("down.b.test", "A"): [down],
                ("up.b.test", "A"): [hop.address[0]]}):
        a.start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        assert outcome(a)[1] == "sent"
        a.log.wait(rf"^connect to down\.b\.test\[{re.escape(down)}\]:10025: "
                   "Connection refused$")


def test_the_fallback_relay_gets_what_nobody_else_takes(make_suite):
    with NextHop(own_address()) as hop:
        a = with_smtp(make_suite(), relayhost=f"[{own_address()}]:2525",
                      smtp_fallback_relay=hop.hop).start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        assert outcome(a)[1] == "sent"


def test_long_lines_are_folded(sender):
    with NextHop(own_address()) as hop:
        a = sender(hop)
        a.send("Subject: long\r\n\r\n" + "x" * 2500 + "\r\n", to="x@b.test",
               bind=OURS)
        a.wait_empty()
        body = hop.messages[0].split(b"\r\n\r\n")[1]
        assert [len(line) for line in body.split(b"\r\n")] == [
            998, 998, 506, 0]


def test_a_large_mail_arrives_whole(sender):
    with NextHop(own_address()) as hop:
        a = sender(hop)
        body = "".join(f".line {i}\r\n" for i in range(100000))
        a.send("Subject: large\r\n\r\n" + body, to="x@b.test", bind=OURS)
        a.wait_empty()
        assert hop.messages[0].decode().split("\r\n\r\n", 1)[1] == body


def test_a_qmgr_that_dies_sends_nothing_twice(sender):
    with NextHop(own_address(), dot=SILENT) as hop:
        a = sender(hop)
        a.trouble_is_expected = True
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        wait_for("the mail", lambda: hop.messages)
        a.kill("qmgr")
        hop.replies["dot"] = "250 2.0.0 taken"
        wait_for("another qmgr", lambda: a.pids("qmgr"))
        hop.sessions[0].send("250 2.0.0 taken")
        a.wait_empty()
        assert len(hop.messages) == 1


SEVEN_BITS = ("PIPELINING", "SIZE 10240000")


def send_8bit(suite, data):
    with smtplib.SMTP(*suite.smtp, timeout=30,
                      source_address=(OURS, 0)) as smtp:
        smtp.ehlo("client.test")
        assert smtp.mail("alice@example.test", ["BODY=8BITMIME"])[0] == 250
        assert smtp.rcpt("x@b.test")[0] == 250
        assert smtp.data(data)[0] == 250


def test_8_bits_are_converted_for_a_server_of_seven(sender):
    """Much of it, so that it goes in many pieces."""
    text = "".join(f"{n} grün= und \t\u00e9 \n" for n in range(20000))
    parts = [f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
             f"Content-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"] * 2
    data = ("Subject: much\r\nMIME-Version: 1.0\r\nContent-Type: "
            "multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit"
            "\r\n\r\n" + "".join(parts) + "--b--\r\n").encode()
    with NextHop(own_address(), extensions=SEVEN_BITS) as hop:
        a = sender(hop)
        send_8bit(a, data)
        assert outcome(a)[1] == "sent"
        assert "BODY" not in hop.sessions[0].commands[1]
        raw, = hop.messages
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) < 78 + 900
    found = email.message_from_bytes(raw)
    assert found["Content-Transfer-Encoding"] == "7bit"
    for part in found.get_payload():
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        assert part.get_payload(decode=True).decode() == \
            text.replace("\n", "\r\n")


def test_8_bits_go_as_they_are_where_it_is_said_so(sender):
    data = "Content-Transfer-Encoding: 8bit\r\n\r\ngrün\r\n".encode()
    with NextHop(own_address(), extensions=SEVEN_BITS) as hop:
        send_8bit(sender(hop, disable_mime_output_conversion="yes"), data)
        wait_for("the mail", lambda: hop.messages)
        assert hop.messages[0].endswith(data)
    with NextHop(own_address()) as hop:
        send_8bit(sender(hop), data)
        wait_for("the mail", lambda: hop.messages)
        assert hop.messages[0].endswith(data)
        assert hop.sessions[0].commands[1].endswith(" BODY=8BITMIME")


def test_what_is_nested_too_deep_cannot_be_converted(sender):
    with NextHop(own_address(), extensions=SEVEN_BITS) as hop:
        a = sender(hop)
        send_8bit(a, b"Content-Type: message/rfc822\r\n\r\n" * 120)
        assert outcome(a) == ("5.6.3", "bounced",
                              "MIME nesting exceeds safety limit")
        assert not hop.messages


def test_hosts_can_be_those_of_the_file(make_suite):
    """smtp_host_lookup = native: /etc/hosts, and no name server is asked."""
    with NextHop("127.0.0.1") as hop:
        a = with_smtp(make_suite(), smtp_host_lookup="native")
        port = hop.address[1]
        a.files["routes"] = f"b.test smtp:[localhost]:{port}\n" \
            f"c.test smtp:[nowhere.test]:{port}\n"
        a.set(transport_maps=f"texthash:{a.etc}/routes").start()
        for name in "bc":
            a.send(MESSAGE, to=f"x@{name}.test", bind=OURS)
        a.log.wait(r"relay=localhost\[127\.0\.0\.1\]:\d+, .*status=sent")
        dsn, status, text = outcome(a, "x@c.test")
        assert (dsn, status) == ("5.4.4", "bounced")
        assert text.startswith("Host or domain name not found.")


def test_tls_depends_on_the_next_hop(make_suite):
    """smtp_tls_policy_maps, by the next hop as it is written."""
    cert = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    a = with_smtp(make_suite(), smtp_tls_security_level="none")
    cert.load_cert_chain(make_certificate(a.etc / "hop.pem", "hop.test"))
    with NextHop(own_address(), tls=cert,
                 extensions=["STARTTLS", "SIZE"]) as hop, \
            NextHop(own_address()) as plain:
        a.files["policy"] = f"{hop.hop} may\n{plain.hop} encrypt\n" \
            "[bad.test] secure match=x\n"
        a.files["routes"] = f"tls.test smtp:{hop.hop}\n" \
            f"plain.test smtp:{plain.hop}\nbad.test smtp:[bad.test]\n"
        a.services["smtp-out"] = "smtp unix - - n - 100 smtp"
        a.set(smtp_tls_policy_maps=f"texthash:{a.etc}/policy",
              transport_maps=f"texthash:{a.etc}/routes").start()
        for name in ("tls", "plain", "bad"):
            a.send(MESSAGE, to=f"x@{name}.test", bind=OURS)
        assert outcome(a, "x@tls.test")[1] == "sent"
        assert hop.sessions[0].tls
        dsn, status, text = outcome(a, "x@plain.test")
        assert (dsn, status) == ("4.7.4", "deferred")
        assert text.startswith("TLS is required, but was not offered by host")
        assert outcome(a, "x@bad.test") == (
            "4.7.5", "deferred", "client TLS configuration problem")
        assert not plain.messages


def test_the_login_can_depend_on_the_sender(make_suite):
    with NextHop(own_address(), extensions=["AUTH PLAIN", "PIPELINING"]) as hop:
        a = with_smtp(make_suite(), relayhost=hop.hop, service_workers="1",
                      smtp_sasl_auth_enable="yes",
                      smtp_sasl_security_options="",
                      smtp_sender_dependent_authentication="yes",
                      smtp_destination_concurrency_limit="1",
                      initial_destination_concurrency="1")
        a.files["logins"] = ("ann@a.test ann:one\n@c.test c:two\n"
                             f"{hop.hop} all:three\n")
        a.set(smtp_sasl_password_maps=f"texthash:{a.etc}/logins").start()
        senders = ["ann@a.test", "x@c.test", "ben@a.test"] * 3
        for sender in senders:
            a.send(MESSAGE, to="x@b.test", sender=sender, bind=OURS)
        a.wait_empty()
        wanted = {"ann@a.test": b"\0ann\0one", "x@c.test": b"\0c\0two",
                  "ben@a.test": b"\0all\0three"}
        seen = set()
        for commands in hop.commands():
            login, = [base64.b64decode(c.split()[2]) for c in commands
                      if c.startswith("AUTH")]
            for command in commands:
                if command.startswith("MAIL"):
                    sender = re.search("<(.*?)>", command)[1]
                    assert login == wanted[sender]
                    seen.add(sender)
        assert seen == set(wanted) and len(hop.messages) == len(senders)


def test_authorities_can_lie_in_a_folder(make_suite):
    """smtp_tls_CApath: read at the start, as there are no files later."""
    a = with_smtp(make_suite(), smtp_tls_security_level="may",
                  smtp_tls_loglevel="1")
    pem = make_certificate(a.etc / "hop.pem", "hop.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    folder = a.etc / "trusted"
    folder.mkdir()
    name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", pem],
                          capture_output=True, check=True).stdout.decode()
    (folder / (name.strip() + ".0")).write_bytes(pem.read_bytes())
    (folder / "README").write_text("nothing to be read")
    with NextHop(own_address(), tls=context,
                 extensions=["STARTTLS"]) as hop:
        a.set(relayhost=hop.hop, smtp_tls_CApath=folder).start()
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        a.log.wait(r"^Trusted TLS connection established to")
        assert outcome(a)[1] == "sent"


def test_who_brought_the_mail_is_told_who_wants_to_know(sender):
    offers = ["PIPELINING", "XFORWARD NAME ADDR PROTO HELO SOURCE"]
    with NextHop(own_address(), extensions=offers,
                 xforward="250 2.0.0 ok") as hop:
        a = sender(hop, smtp_send_xforward_command="yes")
        a.send(MESSAGE, to="x@b.test", bind=OURS)
        assert outcome(a)[1] == "sent"
        assert hop.sessions[0].commands[1] == (
            "XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.2 PROTO=ESMTP "
            "HELO=client.test SOURCE=REMOTE")
