"""Delivery to users of the machine: aliases, .forward, mailboxes, commands."""
import contextlib
import os
import pathlib
import re
import smtplib
import socket
import sqlite3
import stat
import struct

import pytest

from suite import Mailbox, wait_for

pytestmark = pytest.mark.root

MAIL = "From: bob@client.test\r\nSubject: here\r\n\r\nhello\r\nFrom me\r\n"


def send(suite, to, data=MAIL, **more):
    to = [to] if isinstance(to, str) else to
    return suite.send(data, to=[f"{t}@here.test" for t in to], **more)


def line_of(suite, qid, to, text):
    return suite.log.wait(rf"^{qid}: to=<{to}@here\.test>, .*{text}", "local")


def test_mail_comes_into_a_mailbox_file(make_suite):
    suite = make_suite().with_people().start()
    qid = send(suite, "ann")
    line_of(suite, qid, "ann", r"relay=local, delay=\S+, delays=\S+, "
            r"dsn=2\.0\.0, status=sent \(delivered to mailbox\)$")
    [mail] = suite.wait_mbox("ann")
    assert mail.startswith("From bob@client.test  ")
    assert "\nReturn-Path: <bob@client.test>\n" in mail
    assert "\nX-Original-To: ann@here.test\n" in mail
    assert "\nDelivered-To: ann@here.test\n" in mail
    assert mail.endswith("\nhello\n>From me\n\n")
    file = (suite.spool / "ann").stat()
    assert (file.st_uid, stat.S_IMODE(file.st_mode)) == (4101, 0o600)
    send(suite, ["ann", "ben"])
    suite.wait_mbox("ann", 2)
    suite.wait_mbox("ben", 1)
    suite.wait_empty()
    assert not list(suite.spool.glob("*.lock"))


def test_mail_comes_into_a_maildir_at_home(make_suite):
    suite = make_suite(home_mailbox="Maildir/").with_people().start()
    qid = send(suite, "ann")
    line_of(suite, qid, "ann", r"status=sent \(delivered to maildir\)$")
    [mail] = Mailbox(suite.home("ann") / "Maildir").wait(1)
    assert mail.headers("Delivered-To") == ["ann@here.test"]
    assert mail.path.stat().st_uid == 4101


def test_aliases_come_from_a_database(make_suite):
    suite = make_suite().with_people("postmaster: ben\n")
    base = suite.dir / "aliases.sqlite"
    with contextlib.closing(sqlite3.connect(base)) as db:
        db.execute("CREATE TABLE aliases (name TEXT, value TEXT)")
        db.executemany("INSERT INTO aliases VALUES (?, ?)", [
            ("team", "ann, ben"), ("out", "|exit 3")])
        db.commit()
    query = suite.etc / "sqlite-aliases.cf"
    query.write_text(f"dbpath = {base}\n"
                     "query = SELECT value FROM aliases WHERE name='%s'\n")
    os.chown(query, 0, 0)
    query.chmod(0o644)
    suite.set(alias_maps=f"$alias_database sqlite:{query}",
              alias_database=f"lmdb:{suite.etc}/aliases",
              local_recipient_maps="").start()
    send(suite, "team")
    suite.wait_mbox("ann", 1)
    suite.wait_mbox("ben", 1)
    send(suite, "postmaster")
    suite.wait_mbox("ben", 2)
    qid = send(suite, "out")
    line_of(suite, qid, "out", r"status=bounced \(Command died with status 3")
    suite.trouble_is_expected = True
    with contextlib.closing(sqlite3.connect(base)) as db:
        db.execute("ALTER TABLE aliases RENAME TO gone")
        db.commit()
    qid = send(suite, "ann")
    line_of(suite, qid, "ann", r"dsn=4\.3\.0, status=deferred "
            r"\(alias database unavailable\)$")
    with contextlib.closing(sqlite3.connect(base)) as db:
        db.execute("ALTER TABLE gone RENAME TO aliases")
        db.commit()
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.wait_mbox("ann", 2)


def test_who_does_not_exist_is_refused_or_comes_back(make_suite):
    suite = make_suite().with_people("ghost: nobody.here\n").start()
    wire = suite.session()
    wire.command("MAIL FROM:<bob@client.test>", 250)
    wire.command("RCPT TO:<zoe@here.test>", 550, "5.1.1")
    wire.command("RCPT TO:<ann+x@here.test>", 550)  # no delimiter is set
    wire.command("RCPT TO:<ANN@here.test>", 250)
    wire.command("RCPT TO:<ghost@here.test>", 250)
    qid = send(suite, "ghost")
    suite.log.wait(rf"^{qid}: to=<nobody\.here@here\.test>, "
                   r"orig_to=<ghost@here\.test>, relay=local, .*dsn=5\.1\.1, "
                   r'status=bounced \(unknown user: "nobody\.here"\)$')


def test_senders_here_are_told_what_became_of_it(make_suite):
    suite = make_suite().with_people("ghost: nobody.here, ben\n"
                                     "false: |false\n").start()
    send(suite, "ghost", sender="ann@here.test")
    [report] = suite.wait_mbox("ann")
    assert "\nFinal-Recipient: rfc822; ghost@here.test\n" in report
    assert "\nStatus: 5.1.1\n" in report
    assert 'unknown user: "nobody.here"' in report
    suite.wait_mbox("ben")
    send(suite, "false", sender="ann@here.test")
    report = suite.wait_mbox("ann", 2)[1]
    assert "Command died with status 1" in report
    suite.wait_empty()


def test_aliases_lead_to_many(make_suite):
    suite = make_suite().with_people(
        "# all of us\n"
        "all: ann, Ben,\n  \"carl\"\n"
        "Team: all, ann\n"
        "ann: ann\n").start()
    send(suite, "team")
    for name in ("ann", "ben", "carl"):
        suite.wait_mbox(name)
    suite.wait_empty()
    assert len(suite.mbox("ann")) == 1
    suite.log.wait(r": to=<carl@here\.test>, orig_to=<team@here\.test>, ")


def test_an_alias_leads_elsewhere_by_a_new_message(make_suite):
    suite = make_suite().with_people("off: alice@example.test, bob@example.test"
                                     "\nowner-off: carl\n").start()
    qid = send(suite, "off")
    found = suite.log.wait(rf"^{qid}: to=<off@here\.test>, relay=local, .*"
                           r"status=sent \(forwarded as (\w+)\)$")
    [mail] = suite.mailbox("alice").wait(1)
    suite.mailbox("bob").wait(1)
    assert mail.header("Return-Path") == "<owner-off@here.test>"
    assert "off@here.test" in mail.headers("Delivered-To")
    suite.log.wait(rf"^{found[1]}: from=<owner-off@here\.test>, ")


def test_forward_files_lead_on_and_home_again(make_suite):
    suite = make_suite(recipient_delimiter="+").with_people()
    suite.put_home("ann", ".forward", "# me too\n\\ann\nalice@example.test\n")
    suite.put_home("ben", ".forward", "ben@here.test, ann\n")
    suite.put_home("ben", ".forward+lists", "\\ben\n")
    suite.put_home("carl", ".forward", "\n")
    suite.start()
    send(suite, "ann")
    suite.wait_mbox("ann")
    suite.mailbox("alice").wait(1)
    send(suite, "ben")
    suite.wait_mbox("ben")
    suite.wait_mbox("ann", 2)
    send(suite, "ben+lists")
    suite.wait_mbox("ben", 2)
    send(suite, ["carl", "ann+any"])
    suite.wait_mbox("carl")
    suite.wait_mbox("ann", 3)
    suite.wait_empty()
    assert [len(suite.mbox(n)) for n in ("ann", "ben", "carl")] == [3, 2, 1]


def test_mail_that_goes_round_ends(make_suite):
    suite = make_suite().with_people("x: y\ny: x\n"
                                     "loop: loop@here.test, ann\n")
    suite.put_home("ann", ".forward", "ben\n")
    suite.put_home("ben", ".forward", "ann\n")
    suite.start()
    qid = send(suite, "x")
    suite.log.wait(rf'^{qid}: .*status=bounced \(unknown user: "[xy]"\)')
    qid = send(suite, "carl", "Delivered-To: carl@here.test\r\n" + MAIL)
    line_of(suite, qid, "carl", r"dsn=5\.4\.6, status=bounced "
            r"\(mail forwarding loop for carl@here\.test\)$")
    send(suite, "ann")
    suite.wait_mbox("ann")


def test_commands_run_as_their_user(make_suite):
    suite = make_suite(command_time_limit="2s").with_people()
    out = suite.dir / "out"
    out.mkdir()
    out.chmod(0o777)
    suite.new_aliases(
        f'tell: "|/usr/bin/tee {out}/tell"\n'
        f'who: "|id -un > {out}/who; echo $SENDER >> {out}/who"\n'
        'seventyfive: "|echo not now; exit 75"\n'
        'sixtyseven: "|echo who; exit 67"\n'
        'one: "|exit 1"\n'
        'none: |/no/such/program\n'
        'slow: "|sleep 600"\n'
        'deaf: |true\n')
    suite.put_home("ann", ".forward",
                   f'"|id -un > {out}/ann; pwd >> {out}/ann; cat >> {out}/ann"'
                   "\n")
    suite.start()
    for name, status in {
            "tell": rf"status=sent \(delivered to command: /usr/bin/tee {out}",
            "who": r"status=sent \(delivered to command: id",
            "seventyfive": r"dsn=4\.3\.0, status=deferred \(temporary failure"
                           r"\. Command output: not now\)$",
            "sixtyseven": r"dsn=5\.1\.1, status=bounced \(user unknown"
                          r"\. Command output: who\)$",
            "one": r"dsn=5\.3\.0, status=bounced \(Command died with status 1: "
                   r'"exit 1"\)$',
            "none": r"status=bounced \(Command died with status 127: "
                    r'"/no/such/program"\. Command output: ',
            "slow": r"dsn=5\.3\.0, status=bounced \(Command time limit "
                    r'exceeded: "sleep 600"\)$',
            "deaf": r"status=sent \(delivered to command: true\)$",
            "ann": r"status=sent \(delivered to command: id",
    }.items():
        sender = "a`b$c@client.test" if name == "who" else "bob@client.test"
        data = MAIL + "x" * 900 + "\r\n" if name != "deaf" else (
            MAIL + ("x" * 900 + "\r\n") * 1000)
        line_of(suite, send(suite, name, data, sender=sender), name, status)
    assert "\nDelivered-To: tell@here.test\n" in (out / "tell").read_text()
    assert (out / "who").read_text() == "nobody\na_b_c@client.test\n"
    text = (out / "ann").read_text()
    assert text.startswith(f"ann\n{suite.home('ann')}\nFrom bob@client.test ")
    suite.run("postsuper", "-c", suite.etc, "-d", "ALL", ok=False)


def test_files_are_written_as_their_user(make_suite):
    suite = make_suite().with_people()
    out = suite.dir / "out"
    out.mkdir()
    out.chmod(0o777)
    suite.new_aliases(f"keep: {out}/keep\nnull: /dev/null\n"
                      f"etc: /etc/passwd\n")
    suite.put_home("ann", ".forward", f"{suite.home('ann')}/saved\n")
    suite.put_home("ben", ".forward", f"{suite.home('ann')}/saved\n")
    suite.start()
    line_of(suite, send(suite, "keep"), "keep",
            rf"status=sent \(delivered to file: {out}/keep\)$")
    line_of(suite, send(suite, "null"), "null", r"status=sent ")
    line_of(suite, send(suite, "ann"), "ann", r"status=sent ")
    line_of(suite, send(suite, "ben"), "ben", r"status=deferred .*denied")
    line_of(suite, send(suite, "etc"), "etc", r"status=deferred .*denied")
    assert (suite.home("ann") / "saved").read_text().count("From bob@") == 1
    assert (out / "keep").stat().st_uid == 65534


def test_a_path_that_ends_in_a_slash_is_a_maildir(make_suite):
    suite = make_suite().with_people()
    out = suite.dir / "out"
    out.mkdir()
    out.chmod(0o777)
    suite.new_aliases(f"keep: {out}/keep/\ntwo: ann, ben\n")
    suite.put_home("ann", ".forward", f"{suite.home('ann')}/Maildir/\n")
    suite.start()
    for name, path, uid in (("keep", out / "keep", 65534),
                            ("ann", suite.home("ann") / "Maildir", 4101)):
        line_of(suite, send(suite, name), name,
                r"status=sent \(delivered to maildir\)$")
        [mail] = Mailbox(path).wait(1)
        assert mail.path.stat().st_uid == uid
    qid = send(suite, "two")  # who it came to is named
    suite.log.wait(rf"^{qid}: to=<ann@here\.test>, orig_to=<two@here\.test>, "
                   r".*status=sent \(delivered to maildir\)$", "local")
    # What is in the way of a folder is no reason to lose mail.
    (out / "file").touch()
    suite.new_aliases(f"keep: {out}/file/\n")
    line_of(suite, send(suite, "keep"), "keep", "status=deferred")


def test_lists_in_files_are_read_by_nobody(make_suite):
    suite = make_suite().with_people()
    lists = suite.dir / "lists"
    lists.mkdir()
    (lists / "good").write_text("ann, ben\n# none\ncarl # not here\n")
    (lists / "good").write_text("ann, ben\n# no: zoe, yan\ncarl\n")
    (lists / "secret").write_text("ann\n")
    (lists / "secret").chmod(0o600)
    (lists / "open").write_text("ann\n")
    (lists / "open").chmod(0o666)
    (lists / "round").write_text(f":include:{lists}/round\nben\n")
    (lists / "run").write_text(f'"|touch {lists}/ran"\n')
    os.mkfifo(lists / "fifo")
    (lists / "link").symlink_to(lists / "good")
    names = [p.name for p in lists.iterdir()] + ["absent"]
    suite.new_aliases("".join(f"{n}: :include:{lists}/{n}\n" for n in names))
    suite.start()
    for name, text in {
            "good": r"status=sent", "round": r"status=bounced",
            "run": r"dsn=5\.7\.1, status=bounced "
                   r"\(mail to command is restricted\)",
            "secret": "status=deferred", "open": "status=deferred",
            "fifo": "status=deferred", "link": "status=deferred",
            "absent": r"dsn=4\.2\.4, status=deferred \(cannot open include "
                      f"file {lists}/absent",
    }.items():
        qid = send(suite, name)
        suite.log.wait(rf"^{qid}: .*{text}", "local")
    for name in ("ann", "ben", "carl"):
        suite.wait_mbox(name)
    assert not (lists / "ran").exists()


@pytest.mark.parametrize("kind", ["fifo", "link", "foreign", "writable",
                                  "large", "folder", "many", "binary"])
def test_a_forward_file_that_cannot_be_trusted_is_none(make_suite, kind):
    suite = make_suite().with_people()
    path = suite.home("ann") / ".forward"
    if kind == "fifo":
        os.mkfifo(path)
        os.chown(path, 4101, 4101)
    elif kind == "link":
        target = suite.put_home("ann", "other", "alice@example.test\n")
        path.symlink_to(target)
        os.lchown(path, 4101, 4101)
    elif kind == "foreign":
        path.write_text("alice@example.test\n")
        os.chown(path, 4102, 4102)
    elif kind == "folder":
        path.mkdir()
    else:
        suite.put_home("ann", ".forward", {
            "writable": "alice@example.test\n",
            "large": "alice@example.test\n" * 100000,
            "many": "".join(f"u{i}@example.test\n" for i in range(1001)),
            "binary": "alice@example.test\0\n"}[kind],
            0o666 if kind == "writable" else 0o644)
    suite.start()
    send(suite, "ann")
    suite.wait_mbox("ann")
    suite.wait_empty()
    suite.log.wait(r"ignoring the file .*/ann/\.forward: ", "local")
    assert suite.mailbox("alice").messages() == []


def test_new_aliases_hold_without_a_reload(make_suite):
    suite = make_suite(local_recipient_maps="").with_people("a: ann\n").start()
    send(suite, "a")
    suite.wait_mbox("ann")
    suite.new_aliases("a: ben\n")
    send(suite, "a")
    suite.wait_mbox("ben")
    done = suite.new_aliases("a: ben\nbroken\nb: ann, @@\na: ann\n")
    assert [w.split(": ", 1)[1] for w in done.stderr.splitlines()] == [
        f'warning: {suite.etc}/aliases, line 2: need name:value pair',
        f'warning: {suite.etc}/aliases, line 3: bad address: "@@"',
        f'warning: {suite.etc}/aliases, line 4: duplicate entry: "a"']


def test_a_table_of_another_is_not_roots(make_suite):
    suite = make_suite().with_people("a: ann\n")
    os.chown(suite.etc / "aliases.lmdb", 4102, 4102)
    suite.start()
    qid = send(suite, "ben")
    line_of(suite, qid, "ben", r"status=deferred "
            r"\(alias database unavailable\)$")
    os.chown(suite.etc / "aliases.lmdb", 0, 0)
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.wait_mbox("ben")
    suite.trouble_is_expected = True


def test_a_spool_of_the_group_mail_is_written_to(make_suite):
    suite = make_suite().with_people()
    os.chown(suite.spool, 0, 8)
    suite.spool.chmod(0o2775)
    suite.start()
    send(suite, "ann")
    suite.wait_mbox("ann")
    suite.wait_empty()
    file = (suite.spool / "ann").stat()
    assert (file.st_uid, file.st_gid) == (4101, 8)
    # What has that group is not his to look into; no command gets it.
    status = [pathlib.Path(f"/proc/{pid}/status").read_text()
              for pid in suite.pids("errand")]
    spool = [s for s in status if re.search(r"^Groups:\t(.* )?8\b", s, re.M)]
    assert spool and all("\nGid:\t8\t8\t8\t8\n" in s for s in spool)
    for pid in suite.pids("errand"):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    suite.put_home("ann", ".forward", '"|id -G; false"\n')
    line_of(suite, send(suite, "ann"), "ann", r"Command output: 4101\)$")


def test_root_needs_an_alias(make_suite):
    suite = make_suite().with_people().start()
    line_of(suite, send(suite, "root"), "root",
            r"status=deferred \(root has no mailbox: give root an alias\)$")


def test_many_to_many_come_once_each(make_suite):
    names = [f"n{i}" for i in range(50)]
    suite = make_suite().with_people("".join(
        f"{n}: /dev/null\n" for n in names)).start()
    ids = [send(suite, names + ["ann"]) for _ in range(20)]
    suite.wait_empty()
    assert len(suite.mbox("ann")) == 20
    for qid in ids:
        suite.log.wait(rf"^{qid}: .*status=sent", "local", count=51)
        assert len(suite.log.find(rf"^{qid}: to=", "local")) == 51


def test_the_spools_group_is_for_the_spool_only(make_suite):
    suite = make_suite().with_people()
    group = 4199  # nobody's
    os.chown(suite.spool, 0, group)
    suite.spool.chmod(0o2775)
    suite.start()
    send(suite, "ann")
    suite.wait_mbox("ann")
    assert (suite.spool / "ann").stat().st_gid == group
    suite.stop()
    suite.set(home_mailbox="mbox").start()
    send(suite, "ben")
    mbox = suite.home("ben") / "mbox"
    wait_for("the mail", lambda: mbox.exists() and mbox.stat().st_size)
    assert mbox.stat().st_gid == suite.home("ben").stat().st_gid


def test_a_command_knows_who_has_logged_in(make_suite):
    suite = make_suite().with_people().with_auth(alice="secret")
    suite.set(mailbox_command='echo "$SASL_METHOD $SASL_USERNAME" > '
                              '"$HOME/got"').start()
    with smtplib.SMTP(*suite.smtp, "client.test") as smtp:
        smtp.login("alice@example.test", "secret")
        smtp.sendmail("alice@example.test", ["ann@here.test"], MAIL)
    got = suite.home("ann") / "got"
    wait_for("the command", lambda: got.exists() and got.read_text())
    method, user = got.read_text().split()
    assert method in ("PLAIN", "LOGIN", "CRAM-MD5")
    assert user == "alice@example.test"


def test_a_mailbox_command_gets_the_mail(make_suite):
    suite = make_suite().with_people()
    suite.set(mailbox_command=f'cat > "$HOME/got-$USER$EXTENSION"').start()
    line_of(suite, send(suite, "ann"), "ann", "delivered to command: cat")
    assert "hello" in (suite.home("ann") / "got-ann").read_text()


def test_locks_of_others_are_waited_for(make_suite):
    suite = make_suite().with_people()
    lock = suite.spool / "ann.lock"
    lock.write_text("")
    suite.start()
    send(suite, "ann")
    wait_for("local to be at it", lambda: suite.pids("errand"))
    assert not suite.mbox("ann")
    lock.unlink()
    suite.wait_mbox("ann")


def test_when_one_of_them_dies_no_mail_is_lost(make_suite):
    suite = make_suite(stale_lock_time="1s").with_people(
        "slow: |sleep 1; cat > /dev/null\n")
    suite.trouble_is_expected = True
    suite.start()
    for victim in ("local", "errand", "proxymap", "qmgr"):
        ids = [send(suite, ["slow", name]) for name in ("ann", "ben")]
        wait_for("an errand", lambda: suite.pids("errand"))
        suite.kill(victim)
        suite.drain()
        for qid in ids:
            suite.log.wait(rf"^{qid}: to=<slow@here\.test>, .*status=sent")
    assert len(suite.mbox("ann")) >= 4 and len(suite.mbox("ben")) >= 4


LOOKUP, ENTRY = 90, 92  # of lib/service/msg.def
SERVICE, PARAMETER, ELEMENT, KEY, STATUS, USER = 44, 90, 91, 93, 24, 34


def ask_proxymap(suite, *questions):
    """Sends messages of lib/service/msg.h; returns the status of each."""
    found = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(20)
        s.connect(str(suite.queue_dir / "private/proxymap"))
        for number, (kind, fields) in enumerate(questions):
            body = b""
            for name, value in fields.items():
                value = (struct.pack("=Q", value) if isinstance(value, int)
                         else value.encode())
                body += struct.pack("=BI", name, len(value)) + value
            s.send(struct.pack("=BBBBII", 1, kind, 0, 0, number,
                               12 + len(body))
                   + body)
        while len(found) < len(questions):
            answer = s.recv(65536)
            number = struct.unpack_from("=I", answer, 4)[0]
            assert answer[12] == STATUS
            found[number] = struct.unpack_from("=Q", answer, 17)[0]
    return [found[i] for i in range(len(questions))]


def test_proxymap_has_no_table_but_those_of_the_asker(make_suite):
    suite = make_suite(auth_user_maps="unix:passwd.byname",
                       virtual_alias_maps="texthash:$config_directory/main.cf",
                       local_recipient_maps="unix:group.byname "
                                            "unix:passwd.byname").with_people()
    suite.start()
    yes, no, later = range(3)
    assert ask_proxymap(suite, (ENTRY, {USER: "ann"}),
                        (ENTRY, {USER: "nobody.such"}),
                        (ENTRY, {USER: "a" * 4000})) == [yes, no, no]
    for element, answers in ((0, [no]), (1, [yes]), (2, []), (1 << 63, [])):
        found = ask_proxymap(suite, *(
            (LOOKUP, {SERVICE: "smtp", PARAMETER: n, ELEMENT: element,
                      KEY: "nobody"}) for n in [*range(2000), 1 << 63]))
        assert [f for f in found if f != later] == answers
