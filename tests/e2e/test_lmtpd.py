"""LMTP into mailboxes: a reply for each recipient, and nothing between."""
import os
import re
import signal
import smtplib
import socket

import pytest

import load
from suite import wait_for
from wire import Wire

HEAD = b"From: bob@client.test\r\nSubject: a test\r\n\r\n"
BODY = HEAD + b"hello\r\n"


@pytest.fixture
def make_suite(make_suite):
    """Suites with lmtpd, of which nothing goes through the queue."""
    def make(*args, **params):
        return make_suite(*args, **params).with_lmtp()
    return make


@pytest.fixture
def suite(make_suite):
    return make_suite().start()


def socket_of(suite):
    return suite.queue_dir / "private" / "lmtpd"


def connect(suite):
    """A connection that was greeted, and has said LHLO."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(str(socket_of(suite)))
    wire = Wire(s)
    wire.expect(220)
    wire.command("LHLO client.test", 250)
    return wire


def begin(wire, *rcpts):
    wire.command("MAIL FROM:<bob@client.test>", 250)
    for rcpt in rcpts:
        wire.command(f"RCPT TO:<{rcpt}@example.test>", 250, "2.1.5")
    wire.command("DATA", 354)


def put(wire, *rcpts, data=BODY):
    """The replies of all recipients."""
    begin(wire, *rcpts)
    wire.send(data + b".\r\n")
    return [wire.reply() for _ in rcpts]


def test_a_mail_lies_in_the_mailbox(suite):
    with smtplib.LMTP(str(socket_of(suite)),
                      local_hostname="client.test") as session:
        assert session.sendmail("bob@client.test", "alice@example.test",
                                BODY) == {}
    message, = suite.mailbox("alice").wait(1)
    assert message.headers("Return-Path") == ["<bob@client.test>"]
    assert message.headers("Delivered-To") == ["alice@example.test"]
    received, = message.headers("Received")
    assert re.match(r"from client.test \(local \[unix\]\)\s+by "
                    r"mail.example.test \(Postrider\) with LMTP id [0-9A-F]+"
                    r"\s+for <alice@example.test>; ", received)
    assert message.content() == BODY.replace(b"\r\n", b"\n")
    suite.log.wait(r"^[0-9A-F]{12}: to=<alice@example.test>, relay=virtual, "
                   r".* dsn=2\.0\.0, status=sent \(delivered to maildir\)",
                   "lmtpd")
    suite.log.wait(r"^disconnect from local\[unix\] lhlo=1 mail=1 rcpt=1 "
                   r"data=1 quit=1 commands=5", "lmtpd")


def test_what_is_said_together_is_answered_together(suite):
    with connect(suite) as wire:
        wire.send(b"MAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\n"
                  b"RCPT TO:<nobody@example.test>\r\n"
                  b"RCPT TO:<bob@example.test>\r\nDATA\r\n")
        for code, dsn in ((250, "2.1.0"), (250, "2.1.5"), (550, "5.1.1"),
                          (250, "2.1.5"), (354, None)):
            wire.expect(code, dsn)
        wire.send(BODY + b".\r\nMAIL FROM:<>\r\nRSET\r\n")
        assert "<alice@example.test>" in wire.expect(250, "2.0.0").text
        assert "<bob@example.test>" in wire.expect(250, "2.0.0").text
        wire.expect(250, "2.1.0")
        wire.expect(250, "2.0.0")
        # This is no SMTP.
        wire.command("EHLO client.test", 503, "5.5.1")
    assert suite.mailbox("alice").wait(1)[0].headers("Return-Path") == ["<>"]
    suite.mailbox("bob").wait(1)
    suite.log.wait(r"^NOQUEUE: reject: RCPT from local\[unix\]: 550 5\.1\.1 "
                   r"<nobody@example\.test> User doesn't exist: nobody@"
                   r"example\.test; from=<> to=<nobody@example\.test> "
                   r"proto=LMTP helo=<client\.test>$", "lmtpd")
    status = suite.run("postrider", "-c", suite.etc, "status").stdout
    assert re.search(r"lmtpd.*messages=1 rejects=1", status), status


def test_each_recipient_has_his_own_verdict(suite):
    place = suite.mailbox("bob").path
    place.parent.mkdir(parents=True)
    place.write_text("this is no folder")
    if os.geteuid() == 0:
        os.chown(place.parent, 5000, 5000)
    with connect(suite) as wire:
        first, second, third = put(wire, "alice", "bob", "alice")
    assert (first.code, first.dsn) == (250, "2.0.0")
    assert second.code == 451 and "<bob@example.test>" in second.text
    assert (third.code, third.dsn) == (250, "2.0.0")
    suite.mailbox("alice").wait(2)
    suite.log.wait("to=<bob@example.test>, .*status=deferred", "lmtpd")


def test_extensions_and_case(make_suite):
    suite = make_suite(recipient_delimiter="+").start()
    with connect(suite) as wire:
        put(wire, "alice+lists", "Alice")
    assert {m.header("Delivered-To") for m in suite.mailbox("alice").wait(2)
            } == {"alice+lists@example.test", "Alice@example.test"}


def test_who_has_just_come_is_known_at_once(suite):
    with connect(suite) as wire:
        wire.command("MAIL FROM:<>", 250)
        wire.command("RCPT TO:<carol@example.test>", 550, "5.1.1")
        suite.add_user("carol").write()
        wire.command("RCPT TO:<carol@example.test>", 250)


def test_users_who_are_in_no_table_of_mailboxes(make_suite):
    suite = make_suite(users=("alice",), recipient_delimiter="+").with_auth(
        carol="secret", dave="secret")
    suite.set(auth_user_maps=f"texthash:{suite.etc}/users").start()
    users = suite.etc / "users"
    text = users.read_text()
    users.write_text("".join(
        line + f" mail=maildir:{suite.mail}/else/%n\n"
        if line.startswith("carol@") else line + "\n"
        for line in text.splitlines()))
    with connect(suite) as wire:
        wire.command("MAIL FROM:<>", 250)
        wire.command("RCPT TO:<carol+x@example.test>", 250)
        # Nothing says where his mail lies: that is a fault, and no "no".
        wire.command("RCPT TO:<dave@example.test>", 451)
        wire.command("RCPT TO:<erin@example.test>", 550)
        wire.command("DATA", 354)
        wire.send(BODY + b".\r\n")
        wire.expect(250, "2.0.0")
    wait_for("the mail", lambda: len(list(
        (suite.mail / "else" / "carol" / "new").iterdir())) == 1)
    suite.trouble_is_expected = True


def test_without_tables_users_are_who_there_is(make_suite):
    suite = make_suite().with_auth(carol="secret")
    suite.set(virtual_mailbox_maps="", mail_location=f"{suite.mail}/%d/%n/")
    suite.add_user("carol").start()
    with connect(suite) as wire:
        wire.command("MAIL FROM:<>", 250)
        wire.command("RCPT TO:<alice@example.test>", 550, "5.1.1")
        wire.command("RSET", 250)
        assert put(wire, "carol")[0].code == 250
    suite.mailbox("carol").wait(1)


def test_without_tables_and_users_all_of_the_domain_are_there(make_suite):
    suite = make_suite()
    suite.set(virtual_mailbox_maps="", mail_location=f"{suite.mail}/%d/%n/")
    suite.start()
    with connect(suite) as wire:
        wire.command("MAIL FROM:<>", 250)
        wire.command("RCPT TO:<alice@elsewhere.test>", 550, "5.1.1")
        wire.command("RSET", 250)
        assert put(wire, "alice")[0].code == 250
    suite.mailbox("alice").wait(1)


STAGES = {
    "connect": (b"", None),
    "LHLO": (b"LHLO c.test\r\n", 250),
    "MAIL": (b"MAIL FROM:<>\r\n", 250),
    "RCPT": (b"RCPT TO:<alice@example.test>\r\n", 250),
    "DATA": (b"DATA\r\n", 354),
    "half of the mail": (BODY, None),
    "the dot": (b".\r\n", None),
}


@pytest.mark.parametrize("stage", STAGES)
def test_who_goes_away_at_any_stage_leaves_nothing(suite, stage):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(socket_of(suite)))
    with Wire(s) as wire:
        wire.expect(220)
        for name, (said, code) in STAGES.items():
            wire.send(said)
            if code:
                wire.expect(code)
            if name == stage:
                break
    suite.log.wait("^disconnect from local", "lmtpd")
    # What was whole is delivered, though nobody hears of it.
    kept = 1 if stage == "the dot" else 0
    suite.mailbox("alice").wait(kept)
    with connect(suite) as wire:
        reply, = put(wire, "alice")
        assert reply.code == 250
    suite.mailbox("alice").wait(kept + 1)
    for pid in suite.pids("lmtpd"):
        assert not [f for f in descriptors(pid) if "memfd:mail" in f]


def descriptors(pid):
    names = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
        except OSError:
            pass
    return names


def test_a_client_that_says_a_byte_at_a_time(suite):
    with connect(suite) as wire:
        wire.segment = 1
        reply, = put(wire, "alice")
        assert reply.code == 250
    assert suite.mailbox("alice").wait(1)[0].content() == BODY.replace(
        b"\r\n", b"\n")


def test_a_client_that_says_nothing(make_suite):
    suite = make_suite(lmtpd_timeout="2s").start()
    with connect(suite) as wire:
        begin(wire, "alice")
        wire.expect(421, "4.4.2")
    suite.log.wait(r"^timeout after DATA \(0 bytes\) from local", "lmtpd")
    suite.mailbox("alice").wait(0)


def test_ten_megabytes(make_suite):
    suite = make_suite(message_size_limit=20000000).start()
    line = bytes(range(32, 96)).replace(b".", b"-") + b"\r\n"
    data = HEAD + line * (10 * 1024 * 1024 // len(line))
    with connect(suite) as wire:
        reply, = put(wire, "alice", data=data)
        assert reply.code == 250
    message, = suite.mailbox("alice").wait(1)
    assert message.content() == data.replace(b"\r\n", b"\n")


def test_what_is_too_large_is_refused_for_each(make_suite):
    suite = make_suite(message_size_limit=20000).start()
    with connect(suite) as wire:
        wire.command("MAIL FROM:<> SIZE=20001", 552, "5.3.4")
        replies = put(wire, "alice", "bob", data=HEAD + b"x" * 30000 + b"\r\n")
        assert [r.code for r in replies] == [552, 552]
        assert put(wire, "alice")[0].code == 250
    suite.mailbox("alice").wait(1)


def test_memory_is_bounded(make_suite):
    suite = make_suite(lmtpd_memory_limit=100000, service_workers=1).start()
    with connect(suite) as one, connect(suite) as two:
        begin(one, "alice")
        one.send(HEAD + (b"x" * 78 + b"\r\n") * 1000)
        # Once that has come there is no room for as much again.
        wait_for("the half mail to be in memory", lambda: any(
            "memfd:mail" in f for p in suite.pids("lmtpd") for f in descriptors(p)))
        reply, = put(two, "bob", data=HEAD + (b"y" * 78 + b"\r\n") * 1300)
        assert (reply.code, reply.dsn) == (452, "4.3.1")
        one.send(b".\r\n")
        one.expect(250, "2.0.0")
        assert put(two, "bob", data=HEAD + (b"y" * 78 + b"\r\n") * 1000
                   )[0].code == 250
    suite.mailbox("alice").wait(1)
    suite.mailbox("bob").wait(1)
    suite.trouble_is_expected = True


def test_a_worker_that_dies_with_the_mail(suite):
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
        workers = suite.kill("deliver", signal.SIGSTOP)
        begin(wire, "alice")
        wire.send(BODY + b".\r\n")
        # The process has the request, and will never answer it.
        wait_for("the mail to be handed on", lambda: any(
            "memfd:mail" in f for p in suite.pids("lmtpd") for f in descriptors(p)))
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        reply = wire.reply()
        assert (reply.code, reply.dsn) == (451, "4.3.0")
        # The next try has another process.
        assert put(wire, "alice")[0].code == 250
    suite.mailbox("alice").wait(2)
    suite.log.wait(r"to=<alice@example.test>, relay=none, .*status=deferred "
                   r"\(who delivers has ended\)", "lmtpd")
    suite.trouble_is_expected = True


def test_a_worker_that_died_before_the_mail_is_replaced(suite):
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
        begin(wire, "alice")
        suite.kill("deliver")
        suite.log.wait(r"process deliver\[\d+\] .* killed", "broker")
        wire.send(BODY + b".\r\n")
        wire.expect(250, "2.0.0")
    suite.mailbox("alice").wait(2)
    suite.trouble_is_expected = True


def test_without_authd_nobody_is_refused_for_good(suite):
    suite.take_away("auth")
    with connect(suite) as wire:
        wire.command("MAIL FROM:<>", 250)
        wire.command("RCPT TO:<alice@example.test>", 451, "4.3.0")
        wire.command("RCPT TO:<nobody@example.test>", 451, "4.3.0")
    suite.trouble_is_expected = True


def test_without_the_broker_mail_is_put_off(suite):
    stopped = suite.kill("broker", signal.SIGSTOP)
    try:
        with connect(suite) as wire:
            wire.command("MAIL FROM:<>", 250)
            wire.command("RCPT TO:<alice@example.test>", 451, "4.3.0")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
    suite.trouble_is_expected = True


def test_a_new_broker_has_no_old_processes(suite):
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
        suite.kill("broker")
        wait_for("another broker", lambda: suite.pids("broker"))
        # What is open stays open, and who is new gets a new process.
        assert put(wire, "bob")[0].code == 250
        assert put(wire, "alice")[0].code == 250
    suite.mailbox("alice").wait(2)
    suite.trouble_is_expected = True


def test_networks(make_suite):
    suite = make_suite(lmtpd_mynetworks="127.0.0.3/32").start()
    where = suite.addr, suite.port("lmtp")
    with Wire(where, "127.0.0.3") as wire:
        wire.expect(220)
        wire.command("LHLO client.test", 250)
        assert put(wire, "alice")[0].code == 250
    with Wire(where, "127.0.0.4") as wire:
        wire.eof()
    suite.log.wait(r"127\.0\.0\.4 is not in lmtpd_mynetworks", "lmtpd")
    suite.trouble_is_expected = True


def test_many_recipients_of_a_mail(make_suite):
    users = [f"user{n}" for n in range(60)]
    suite = make_suite(users=users).start()
    with connect(suite) as wire:
        assert [r.code for r in put(wire, *users)] == [250] * 60
    for user in users:
        suite.mailbox(user).wait(1)


@pytest.mark.root
@pytest.mark.privilege
def test_mail_of_two_owners_is_each_ones(make_suite):
    suite = make_suite()
    suite.files["uids"] = "alice@example.test 5001\nbob@example.test 5002\n"
    suite.set(virtual_uid_maps=f"texthash:{suite.etc}/uids",
              virtual_gid_maps="static:5000")
    for user, uid in (("alice", 5001), ("bob", 5002)):
        place = suite.mail / "example.test" / user
        place.mkdir(parents=True)
        os.chown(place, uid, 5000)
    suite.start()
    with connect(suite) as wire:
        assert [r.code for r in put(wire, "alice", "bob")] == [250, 250]
    for user, uid in (("alice", 5001), ("bob", 5002)):
        assert suite.mailbox(user).wait(1)[0].path.stat().st_uid == uid


def test_qmgr_and_lmtpd_use_one_process(suite):
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
        suite.send("Subject: x\n\n", to="alice")
        suite.mailbox("alice").wait(2)
        assert put(wire, "alice")[0].code == 250
    suite.send("Subject: x\n\n", to="bob")
    suite.mailbox("bob").wait(1)
    suite.wait_empty()
    assert len(suite.pids("deliver")) == 1


@pytest.mark.parametrize("victim", ["lmtpd", "authd"])
def test_one_program_is_killed_under_load(make_suite, victim):
    users = [f"user{n}" for n in range(10)]
    suite = make_suite(users=users, service_throttle_time="1s")
    suite.with_lmtp_between().set(minimal_backoff_time="1s").start()
    suite.trouble_is_expected = True
    clients = load.Load(suite, 1000, 20)
    for accepted in (200, 500):
        clients.wait_accepted(accepted)
        killed = set(wait_for(f"{victim} to be there",
                              lambda: suite.kill(victim)))
        wait_for(f"another {victim}",
                 lambda: set(suite.pids(victim)) - killed)
    accepted = clients.finish()
    assert len(accepted) == 1000
    suite.drain()
    # What lmtpd had delivered and could not say comes again: never more
    # than it had at a time.
    again = load.check(suite, accepted)
    assert again <= (2 * 100 if victim == "lmtpd" else 0)


def sockets(pid):
    return sum("socket" in f for f in descriptors(pid))


def test_a_channel_that_is_idle_is_closed_before_its_process(make_suite):
    suite = make_suite(service_workers=1).start()
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
        deliver, = suite.pids("deliver")
        before = sockets(deliver)
        suite.clock("+36s")
        wait_for("the channel to be closed",
                 lambda: sockets(deliver) < before)
        suite.clock("+30s")
        wait_for("the process to end",
                 lambda: deliver not in suite.pids("deliver"))
        assert put(wire, "alice")[0].code == 250
    suite.mailbox("alice").wait(2)


@pytest.mark.sandbox
def test_lmtpd_is_in_its_sandbox(make_suite):
    suite = make_suite(sandbox="enforce").start()
    with connect(suite) as wire:
        assert put(wire, "alice")[0].code == 250
        for pid in suite.pids("lmtpd"):
            with open(f"/proc/{pid}/status", encoding="latin-1") as f:
                status = f.read()
            assert re.search(r"^Seccomp:\t2$", status, re.M)
            assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
            if os.geteuid() == 0:
                assert os.readlink(f"/proc/{pid}/root") == str(
                    suite.queue_dir)
