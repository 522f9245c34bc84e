"""The commands that administrators and their scripts call."""
import json
import pathlib
import re
import socket
import struct
import subprocess
import threading

import pytest

from suite import wait_for

HERE = pathlib.Path(__file__).parent


def queued(make_suite, n=3):
    """A suite whose queue holds n deferred messages; returns (suite, ids)."""
    suite = make_suite()
    suite.start()
    (suite.mail / "example.test").touch()
    ids = [suite.send(f"Subject: {i}\n\nbody {i}\n", sender="b@client.test")
           for i in range(n)]
    wait_for("all to be deferred",
             lambda: sorted(m["queue_id"] for m in suite.queue()
                            if m["queue_name"] == "deferred") == sorted(ids))
    return suite, ids


def tool(suite, name, *args, **more):
    return suite.run(name, "-c", suite.etc, *args, **more)


def test_postconf(make_suite):
    suite = make_suite()
    suite.write()
    out = tool(suite, "postconf", "-n").stdout
    names = [line.split(" = ")[0].rstrip(" =") for line in out.splitlines()]
    assert names == sorted(names)
    assert set(map(str, suite.params)) <= set(names)
    assert "myhostname = mail.example.test\n" in out
    assert tool(suite, "postconf", "myhostname").stdout == (
        "myhostname = mail.example.test\n")
    assert tool(suite, "postconf", "-h", "myhostname").stdout == (
        "mail.example.test\n")
    assert tool(suite, "postconf", "-d", "smtpd_recipient_limit").stdout == (
        "smtpd_recipient_limit = 1000\n")
    everything = tool(suite, "postconf").stdout.splitlines()
    defaults = tool(suite, "postconf", "-d").stdout.splitlines()
    assert len(everything) >= len(defaults) > 100
    unknown = tool(suite, "postconf", "nosuchparameter", ok=False)
    assert "unknown parameter" in unknown.stderr
    assert unknown.stdout == ""


OF_THE_MACHINE = {"myhostname", "mydomain", "mynetworks", "process_id",
                  "config_directory"}


def differing_defaults():
    """What docs/DIFFERENCES.md says of defaults: "- `NAME`...: because"."""
    text = (HERE.parent.parent / "docs" / "DIFFERENCES.md").read_text()
    text = text.split("\n## Defaults\n")[1].split("\n## ")[0]
    heads = re.findall(r"^- ((?:`\w+`(?:, )?)+):\s+\S", text, re.M)
    return {n for head in heads for n in re.findall(r"`(\w+)`", head)}


def test_defaults_are_those_of_postfix(make_suite):
    """What postconf -d of Postfix 3.7.11 prints, but for what the page tells."""
    suite = make_suite()
    suite.write()
    (suite.etc / "master.cf").write_text("")
    (suite.etc / "main.cf").unlink()  # which is no part of them
    path = HERE.parent / "data" / "postconf-d"
    want = dict(line.split(" =", 1) for line in path.read_text().splitlines())
    out = tool(suite, "postconf", "-d").stdout
    ours = dict(line.split(" =", 1) for line in out.splitlines())
    assert len(want) == 831
    assert want.keys() <= ours.keys()
    differ = {n for n in want if want[n] != ours[n]} - OF_THE_MACHINE
    assert differ == differing_defaults()


def test_postqueue_and_mailq(make_suite):
    suite, ids = queued(make_suite)
    lines = tool(suite, "postqueue", "-p").stdout.splitlines()
    assert lines[0] == ("-Queue ID-  --Size-- ----Arrival Time---- "
                        "-Sender/Recipient-------")
    heads = [line for line in lines if re.match(
        r"[0-9A-F]{6,}[*!]?\s+\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  "
        r"b@client\.test$", line)]
    assert sorted(h.split()[0].rstrip("*!") for h in heads) == sorted(ids)
    assert lines.count(" " * 41 + "alice@example.test") == 3
    assert any(line.strip().startswith("(") for line in lines)
    assert re.fullmatch(r"-- \d+ Kbytes in 3 Requests\.", lines[-1])
    mailq = suite.commands.parent / "bin" / "mailq"
    done = suite.run(mailq, "-c", suite.etc)
    assert done.stdout.splitlines() == lines

    for item in suite.queue():
        assert item["queue_name"] == "deferred"
        assert item["sender"] == "b@client.test"
        assert item["queue_id"] in ids
        assert item["message_size"] > 10 and item["arrival_time"] > 1e9
        recipient, = item["recipients"]
        assert recipient["address"] == "alice@example.test"
        assert recipient["delay_reason"]

    (suite.mail / "example.test").unlink()
    tool(suite, "postqueue", "-f")
    suite.mailbox("alice").wait(3)
    suite.wait_empty()
    assert tool(suite, "postqueue", "-p").stdout == "Mail queue is empty\n"
    assert tool(suite, "postqueue", "-j").stdout == ""


def test_postqueue_flushes_one_message(make_suite):
    suite, ids = queued(make_suite)
    (suite.mail / "example.test").unlink()
    tool(suite, "postqueue", "-i", ids[1])
    message, = suite.mailbox("alice").wait(1)
    assert message.header("Subject") == "1"
    wait_for("the one to leave the queue", lambda: len(suite.queue()) == 2)


def test_postsuper(make_suite):
    suite, ids = queued(make_suite)
    done = tool(suite, "postsuper", "-h", ids[0])
    assert re.search(r"Placed on hold: 1 message", done.stderr)
    wait_for("the message to be held",
             lambda: {m["queue_id"]: m["queue_name"] for m in suite.queue()}[
                 ids[0]] == "hold")
    assert re.search(rf"^{ids[0]}!", tool(suite, "postqueue", "-p").stdout,
                     re.M)
    done = tool(suite, "postsuper", "-d", ids[1])
    assert re.search(r"Deleted: 1 message", done.stderr)
    wait_for("the message to be gone",
             lambda: ids[1] not in {m["queue_id"] for m in suite.queue()})

    # What is held stays, whatever is flushed.
    (suite.mail / "example.test").unlink()
    tool(suite, "postqueue", "-f")
    message, = suite.mailbox("alice").wait(1)
    assert message.header("Subject") == "2"
    done = tool(suite, "postsuper", "-H", ids[0])
    assert re.search(r"Released from hold: 1 message", done.stderr)
    suite.mailbox("alice").wait(2)
    suite.wait_empty()
    assert not suite.files_in()
    unknown = tool(suite, "postsuper", "-d", "ABCDEF123", ok=False)
    assert unknown.stderr == "postsuper: Deleted: 0 messages\n"


def test_postsuper_all_and_requeue(make_suite):
    suite, ids = queued(make_suite)
    tool(suite, "postsuper", "-h", "ALL")
    wait_for("all to be held", lambda: {m["queue_name"]
                                        for m in suite.queue()} == {"hold"})
    (suite.mail / "example.test").unlink()
    done = tool(suite, "postsuper", "-r", "ALL")
    assert re.search(r"Requeued: 3 messages", done.stderr)
    suite.mailbox("alice").wait(3)
    suite.wait_empty()
    suite.stop()
    assert not suite.files_in()
    assert len(ids) == 3


def test_postcat(make_suite):
    suite, ids = queued(make_suite, 1)
    out = tool(suite, "postcat", "-q", ids[0]).stdout
    assert "b@client.test" in out and "alice@example.test" in out
    assert "Subject: 0\n" in out and "body 0\n" in out
    path, = suite.files_in("deferred")
    assert tool(suite, "postcat", path).stdout.count("Subject: 0\n") == 1


def test_tools_work_on_a_suite_that_does_not_run(make_suite):
    suite, ids = queued(make_suite)
    suite.stop()
    assert {m["queue_id"] for m in suite.queue()} == set(ids)
    tool(suite, "postsuper", "-d", ids[0])
    assert {m["queue_id"] for m in suite.queue()} == set(ids[1:])
    tool(suite, "postsuper", "-d", "ALL")
    assert not suite.queue()
    assert not suite.files_in()


def test_postsuper_expires_what_waits_and_what_is_held(make_suite):
    suite, ids = queued(make_suite)
    tool(suite, "postsuper", "-h", ids[1])
    done = tool(suite, "postsuper", "-e", ids[0], "-e", ids[1])
    assert done.stderr.splitlines() == [
        f"postsuper: {ids[0]}: expired", f"postsuper: {ids[1]}: expired",
        "postsuper: Force-expired: 2 messages"]
    suite.log.wait(rf"{ids[0]}: sender non-delivery notification")
    held, = (m for m in suite.queue() if m["queue_id"] == ids[1])
    assert (held["queue_name"], held["forced_expire"]) == ("hold", True)
    assert re.search(rf"^{ids[1]}!#", tool(suite, "postqueue", "-p").stdout,
                     re.M)
    done = tool(suite, "postsuper", "-f", ids[1])
    assert "Released from hold: 1 message" in done.stderr
    suite.log.wait(rf"{ids[1]}: sender non-delivery notification")
    wait_for("only the other to be there",
             lambda: ids[2] in {m["queue_id"] for m in suite.queue()}
             and not {ids[0], ids[1]} & {m["queue_id"]
                                         for m in suite.queue()})
    assert not suite.log.find(rf"{ids[2]}: sender non-delivery")


def test_many_ids_come_from_standard_input(make_suite):
    suite, ids = queued(make_suite, 40)
    lines = "".join(f"{id}\n" for id in ids[:30] + ids[:5] + ["NOTHING"])
    done = tool(suite, "postsuper", "-d", "-", stdin=lines.encode())
    assert done.stderr.splitlines()[-1] == "postsuper: Deleted: 30 messages"
    assert sorted(m["queue_id"] for m in suite.queue()) == sorted(ids[30:])


def test_active_mail_is_what_is_being_delivered(make_suite):
    """Not all that lies in the same folder."""
    suite, ids = queued(make_suite)
    done = tool(suite, "postsuper", "-d", "ALL", "active")
    assert done.stderr == "postsuper: Deleted: 0 messages\n"
    assert {m["queue_id"] for m in suite.queue()} == set(ids)


def test_nothing_is_lost_or_comes_twice_while_postsuper_works(make_suite):
    """It holds, releases and requeues all there is, again and again."""
    suite = make_suite()
    suite.start()
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            for option in ("-r", "-h", "-H"):
                tool(suite, "postsuper", option, "ALL", ok=False)
    worker = threading.Thread(target=disturb)
    worker.start()
    try:
        for i in range(150):
            suite.send(f"Subject: n{i}\n\nx\n", sender="b@client.test")
    finally:
        stop.set()
        worker.join()
    tool(suite, "postsuper", "-H", "ALL")
    messages = suite.mailbox("alice").wait(150)
    suite.wait_empty()
    assert sorted(m.header("Subject") for m in messages) == sorted(
        f"n{i}" for i in range(150))
    assert len(suite.mailbox("alice").paths()) == 150


def test_what_a_postsuper_had_that_died_is_delivered(make_suite):
    """Its files are given back at its end, wherever they lie then."""
    suite, ids = queued(make_suite, 1)
    (suite.mail / "example.test").unlink()
    with postsuper_client(suite) as client:
        client.sendall(borrow(ids[0]))
        assert ids[0].encode() in client.recv(65536)
        for n in range(1, 4):  # the folders are read each time
            tool(suite, "postqueue", "-f")
            tool(suite, "postqueue", "-i", ids[0])
            suite.send("Subject: other\n\n")
            suite.mailbox("alice").wait(n)
        assert not suite.log.find(rf"{ids[0]}: to=.*status=sent")
        path, = suite.files_in("deferred")
        path.rename(path.with_name(f"{ids[0]}-0"))
    suite.mailbox("alice").wait(4)
    suite.wait_empty()


def postsuper_client(suite):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(30)
    client.connect(str(suite.queue_dir / "private" / "qmgr"))
    return client


def borrow(*ids):
    """A BORROW as lib/service/msg.def has it."""
    fields = b"".join(struct.pack("<BI", 1, len(id)) + id.encode()
                      for id in ids)
    return struct.pack("<BBBBII", 1, 106, 0, 0, 1, 12 + len(fields)) + fields


def test_postkick_has_mail_tried(make_suite):
    suite, _ = queued(make_suite)
    (suite.mail / "example.test").unlink()
    tool(suite, "postkick", "public", "qmgr", "D")
    suite.mailbox("alice").wait(3)
    unknown = tool(suite, "postkick", "public", "showq", "W", ok=False)
    assert unknown.returncode == 1
    assert "takes no such request" in unknown.stderr


def test_postlog_writes_where_the_daemons_do(make_suite):
    suite = make_suite(log_format="json")
    suite.start()
    tool(suite, "postlog", "-p", "warn", "-t", "script", "a", "b")
    line = json.loads(suite.log.path.read_text().splitlines()[-1])
    assert (line["level"], line["text"], line["tag"]) == (
        "warning", "a b", "script")


def test_postlock_waits_for_who_has_the_mailbox(make_suite):
    suite = make_suite(deliver_lock_attempts=1)
    suite.write()
    box = suite.dir / "box"
    held = subprocess.Popen(
        [suite.commands / "postlock", box, "sh", "-c", "echo; read x"],
        env=suite.environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)
    with held:
        held.stdout.readline()
        for style in ("dotlock", "fcntl"):
            done = tool(suite, "postlock", "-l", style, box, "true", ok=False)
            assert done.returncode == 75
        assert tool(suite, "postlock", "-l", "flock", box,
                    "true").returncode == 0
        held.stdin.close()
    assert not (suite.dir / "box.lock").exists()
    assert tool(suite, "postlock", box, "true").returncode == 0


@pytest.mark.parametrize("kind", ["lmdb", "hash", "btree", "cdb", "texthash"])
def test_postmap(make_suite, kind):
    suite = make_suite()
    suite.write()
    table = suite.etc / "table"
    table.write_text("# a comment\nKey.test  value one\n"
                     "other@x.test\tanother\n  continued\n\n")
    name = f"{kind}:{table}"
    if kind != "texthash":
        tool(suite, "postmap", name)
        suffix = {"hash": "db", "btree": "db"}.get(kind, kind)
        assert (suite.etc / f"table.{suffix}").exists()
    assert tool(suite, "postmap", "-q", "key.test",
                name).stdout == "value one\n"
    assert tool(suite, "postmap", "-q", "other@x.test",
                name).stdout == "another  continued\n"
    absent = tool(suite, "postmap", "-q", "nobody", name, ok=False)
    assert (absent.returncode, absent.stdout, absent.stderr) == (1, "", "")
    both = tool(suite, "postmap", "-q", "-", name,
                stdin=b"key.test\nnobody\n")
    assert both.stdout == "key.test\tvalue one\n"


@pytest.mark.parametrize("kind", ["lmdb", "hash", "btree", "cdb"])
def test_postmap_replaces_a_table_that_is_in_use(make_suite, kind):
    suite = make_suite()
    table = suite.etc / "boxes"
    suite.set(virtual_mailbox_maps=f"{kind}:{table}").write()
    table.write_text("alice@example.test example.test/alice/\n")
    tool(suite, "postmap", f"{kind}:{table}")
    suite.start()
    suite.send("Subject: one\n\n")
    table.write_text("alice@example.test example.test/alice/\n"
                     "bob@example.test example.test/bob/\n")
    tool(suite, "postmap", f"{kind}:{table}")

    def known():
        with suite.session() as wire:
            wire.command("MAIL FROM:<x@client.test>", 250)
            return wire.command("RCPT TO:<bob@example.test>").code == 250
    wait_for("every worker to know bob",
             lambda: all(known() for _ in range(10)))
    suite.send("Subject: two\n\n", to="bob")
    suite.mailbox("bob").wait(1)


def test_start_status_stop(make_suite):
    suite = make_suite()
    suite.write()
    assert tool(suite, "postrider", "status", ok=False).returncode != 0
    tool(suite, "postrider", "start")
    wait_for("the suite to answer", lambda: suite.pids("smtpd"))
    try:
        with suite.session() as wire:
            wire.command("QUIT", 221)
        status = tool(suite, "postrider", "status")
        said = status.stdout + status.stderr
        assert re.search(r"PID: \d+", said), said
        assert "qmgr" in said
        again = tool(suite, "postrider", "start", ok=False)
        assert again.returncode != 0
        assert "already running" in again.stderr
    finally:
        tool(suite, "postrider", "stop")
        wait_for("all to end", lambda: not suite.pids())
    assert tool(suite, "postrider", "status", ok=False).returncode != 0
    suite.log.wait("^stopping|terminating on signal 15")


# The services of Postfix's own master.cf, the mail ports aside.
STANDARD = """\
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
  -o syslog_name=postfix/$service_name
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
"""


def test_a_standard_master_cf_starts(make_suite):
    suite = make_suite()
    suite.services = {"smtp": suite.services["smtp"],
                      "qmgr": suite.services["qmgr"],
                      "postlog": suite.services["postlog"]}
    suite.files["master.cf"] = STANDARD
    suite.set(transport_maps="inline:{foreign.test=nothing:}")
    suite.start()
    suite.send("Subject: x\n\n")
    suite.mailbox("alice").wait(1)
    # Mail for what is not there yet waits, and says why.
    ident = suite.send("Subject: out\n\n", to="x@foreign.test",
                       bind="127.0.0.2")
    item, = wait_for("the message to be deferred", lambda: [
        m for m in suite.queue() if m["queue_name"] == "deferred"])
    assert item["queue_id"] == ident
    assert "transport" in item["recipients"][0]["delay_reason"]


def test_start_fg_stays_until_it_is_told(make_suite):
    suite = make_suite()
    suite.write()
    process = subprocess.Popen(
        [suite.commands / "postrider", "-c", suite.etc, "start-fg"],
        env=suite.environment(), stdin=subprocess.DEVNULL)
    try:
        suite.log.wait("^daemon started", "master")
        suite.send("Subject: x\n\n")
        suite.mailbox("alice").wait(1)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(60) == 0
    wait_for("all to end", lambda: not suite.pids())


def test_status_counts_what_was_done(suite):
    suite.send("Subject: one\n\n")
    suite.send("Subject: two\n\n")
    suite.mailbox("alice").wait(2)
    with suite.session() as wire:
        wire.command("MAIL FROM:<x@client.test>", 250)
        wire.command("RCPT TO:<nobody@example.test>", 550)
    suite.log.wait(": removed", "qmgr", count=2)

    def counted():
        said = tool(suite, "postrider", "status").stdout
        return (re.search(r" sessions=3 messages=2 rejects=1$", said, re.M)
                and re.search(r"^qmgr .* sent=2 removed=2$", said, re.M))
    wait_for("the counters", counted)


def test_abort_ends_it_at_once(make_suite):
    suite = make_suite().start()
    with suite.session():
        tool(suite, "postrider", "abort")
        suite.process.wait(30)
    wait_for("all to end", lambda: not suite.pids())


def test_check_is_content_with_what_is_right(suite):
    tool(suite, "postrider", "set-permissions")
    done = tool(suite, "postrider", "check")
    assert not re.search(r"^(error|warning): ", done.stdout, re.M)
    assert done.stderr == ""


def test_two_instances_know_nothing_of_each_other(make_suite):
    one = make_suite("one").start()
    two = make_suite("two").start()
    one.send("Subject: for one\n\n")
    one.mailbox("alice").wait(1)
    one.stop()
    two.send("Subject: for two\n\n")
    message, = two.mailbox("alice").wait(1)
    assert message.header("Subject") == "for two"


def test_the_log_can_be_json(make_suite):
    suite = make_suite(log_format="json").start()
    ident = suite.send("Subject: x\n\n")
    suite.mailbox("alice").wait(1)

    def sent():
        events = [json.loads(line) for line in suite.log.text().splitlines()]
        return [e for e in events if e.get("status") == "sent"]
    event, = wait_for("the delivery", sent)
    assert ident in event.values()
    assert "alice@example.test" in event.values()


def test_what_may_become_set_gid_links_little(make_suite):
    """A library's faults would be anybody's way to the group postdrop."""
    suite = make_suite()
    for name in ("postqueue",):
        done = subprocess.run(["readelf", "-d", suite.commands / name],
                              capture_output=True, text=True, check=True)
        needed = re.findall(r"NEEDED.*\[(.*)\]", done.stdout)
        assert "libc.so.6" in needed
        assert not [lib for lib in needed if re.match(
            r"lib(uv|ssl|crypto|lmdb|db|pcre2|cdb|pq|sasl2|seccomp)\b", lib)]


@pytest.mark.root
@pytest.mark.privilege
def test_who_runs_what(make_suite):
    """Each daemon is the user that the design gives it."""
    suite = make_suite().start()
    suite.send("Subject: x\n\n")
    suite.mailbox("alice").wait(1)
    expected = {"master": 0, "broker": 0, "smtpd": 4002, "qmgr": 4001,
                "postlogd": 4001, "deliver": 5000}
    for program, uid in expected.items():
        pids = suite.pids(program)
        assert pids, program
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="latin-1") as f:
                status = f.read()
            uids = re.search(r"^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$", status,
                             re.M)
            assert set(uids.groups()) == {str(uid)}, program
            if uid:
                assert re.search(r"^CapEff:\t0+$", status, re.M), program
                assert re.search(r"^NoNewPrivs:\t1$", status, re.M), program


@pytest.mark.sandbox
def test_daemons_are_in_their_sandbox(make_suite):
    suite = make_suite().start()
    suite.send("Subject: x\n\n")
    suite.mailbox("alice").wait(1)
    for program in ("smtpd", "qmgr", "deliver", "postlogd"):
        for pid in suite.pids(program):
            with open(f"/proc/{pid}/status", encoding="latin-1") as f:
                assert re.search(r"^Seccomp:\t2$", f.read(), re.M), program
