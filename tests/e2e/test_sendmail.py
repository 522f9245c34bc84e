"""What programs of the machine send: sendmail, postdrop, and what lies in
maildrop, with the suite up or down, by users who mean well or not."""
import os
import re
import resource
import shutil
import signal
import struct
import subprocess

import pytest

from suite import is_root, wait_for

MAGIC = b"PRdrop1\n"
NOBODY = 65534


def record(kind, text=b"", length=None):
    if isinstance(text, str):
        text = text.encode()
    return kind.encode() + struct.pack(
        "<I", len(text) if length is None else length) + text


def message(*records, end=True):
    return MAGIC + b"".join(records) + (record("X") if end else b"")


GOOD = (record("S", "alice"), record("R", "bob@example.test"),
        record("C", b"Subject: x\n\nx\n"))


@pytest.fixture
def suite(make_suite):
    return make_suite(myorigin="example.test")


def postdrop(suite, data, ok=False, **more):
    return suite.run("postdrop", stdin=data, ok=ok, **more)


def dropped(suite):
    return list((suite.queue_dir / "maildrop").iterdir())


def test_cron_sends_while_the_suite_is_down(suite):
    suite.write()
    suite.start(write=False)
    suite.stop()
    suite.run("sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t",
              stdin=b"From: root (Cron Daemon)\nTo: alice\n"
                    b"Subject: Cron <root@host> true\n\n.\nlast line")
    file, = dropped(suite)
    assert file.stat().st_mode & 0o7777 == 0o744
    suite.start()
    mail, = suite.mailbox("alice").wait(1)
    assert mail.body == b".\nlast line\n"
    assert mail.header("Message-Id") and mail.header("Date")
    assert mail.headers("From") == ["root@example.test (Cron Daemon)"]
    assert mail.header("Received").startswith(
        f"by mail.example.test (Postrider, from userid {os.getuid()}) id ")
    suite.wait_empty()
    wait_for("its end in maildrop/", lambda: not dropped(suite))
    id = suite.log.wait(rf"(\w+): uid={os.getuid()} from=<\w+>", "pickup")[1]
    suite.log.wait(rf"{id}: message-id=<.+>", "cleanup")
    suite.log.wait(rf"{id}: from=<\w+@example.test>, size=", "qmgr")


def test_what_is_sent_while_it_runs_comes_at_once(suite):
    suite.start()
    suite.run("sendmail", "-f", "carol@example.test", "-F", 'C. "x" R\xe9sum',
              "alice@example.test", "Bob <bob@example.test>, alice",
              stdin=b"Subject: x\r\n\r\nx\r\n.\r\nnot sent\r\n")
    for user in ("alice", "bob"):
        mail, = suite.mailbox(user).wait(1)
        assert mail.body == b"x\n"
        assert mail.header("Return-Path") == "<carol@example.test>"
        assert re.fullmatch(r"=\?utf-8\?B\?\S+\?= <carol@example.test>",
                            mail.header("From"))
    suite.wait_empty()


def test_the_head_names_recipients_and_hides_some(suite):
    suite.add_user("carol")
    suite.start()
    suite.run("sendmail", "-t", stdin=(
        b"To: (a comment) Alice\n <alice@example.test>, friends: bob;\n"
        b"Bcc: carol\n\tX\n <carol@example.test>\nSubject: x\n\nx\n"),
        ok=False)
    for user in ("alice", "bob", "carol"):
        mail, = suite.mailbox(user).wait(1)
        assert not mail.headers("Bcc") and mail.header("Subject") == "x"
    suite.run("sendmail", "-t", stdin=(
        b"To: alice\nResent-To: bob\nResent-From: carol\n\nagain\n"))
    suite.mailbox("bob").wait(2)
    suite.wait_empty()
    assert len(suite.mailbox("alice").paths()) == 1


def test_who_asks_is_told_of_success(suite):
    suite.start()
    suite.run("sendmail", "-N", "success", "-V", "my id", "-R", "hdrs", "-f",
              "alice", "bob", stdin=b"Subject: x\n\nthe text\n")
    mail, = suite.mailbox("alice").wait(1)
    text = mail.data.decode()
    assert "Action: delivered" in text
    assert "Original-Envelope-Id: my id" in text
    assert "the text" not in text
    suite.log.wait("sender delivery status notification")
    # And who wants to hear nothing hears nothing.
    suite.run("sendmail", "-N", "never", "-f", "alice", "ghost",
              stdin=b"Subject: x\n\nx\n")
    suite.log.wait("status=bounced")
    suite.wait_empty()
    assert len(suite.mailbox("alice").paths()) == 1


@pytest.mark.parametrize("words, stdin, status", [
    ([], b"x\n", 75),
    (["-t"], b"Subject: x\n\nx\n", 75),
    (["-t"], b"", 75),
    (["-Z", "alice"], b"", 75),
    (["-f", "x" * 600, "alice"], b"", 75),
    (["alice@" + "x" * 300], b"", 75),
    (["-bx", "alice"], b"", 75),
    (["-XV", "alice"], b"", 75),
])
def test_wrong_use_ends_with_the_status_of_postfix(suite, words, stdin,
                                                    status):
    suite.write()
    done = suite.run("sendmail", *words, stdin=stdin, ok=False)
    assert done.returncode == status, done.stderr
    assert done.stderr


def test_mailq_by_sendmail(suite):
    suite.start()
    assert "Mail queue is empty" in suite.run("sendmail", "-bp").stdout
    suite.run("sendmail", "-q")


@pytest.mark.parametrize("data", [
    b"",
    b"PRdrop",
    b"PRdrop2\n" + record("X"),
    message(*GOOD, end=False),
    message(*GOOD)[:-1],
    message(*GOOD) + b"x",
    message(*GOOD) + message(*GOOD),
    message(record("\0"), *GOOD),
    message(record("Q", "x"), *GOOD),
    message(record("S", "alice"), record("C", "x\n")),
    message(record("S", "alice", length=2**31), *GOOD),
    message(record("S", "alice", length=2**32 - 1), *GOOD),
    message(record("C", b"x" * 8193), *GOOD),
    message(record("R", "x" * 1401), *GOOD),
    message(record("R", ""), *GOOD),
    message(record("N", "3"), *GOOD),
    message(record("N", "16"), *GOOD),
    message(record("T", "3"), *GOOD),
    message(record("X", "x"), *GOOD),
] + [message(*GOOD, record(kind, b"a" + bad + b"b"))
     for kind in "SFVTNR" for bad in (b"\0", b"\r", b"\n")],
    ids=lambda data: repr(data[:40]))
def test_malformed_records_leave_nothing(suite, data):
    """INJ 08."""
    suite.write()
    (suite.queue_dir / "maildrop").mkdir(parents=True)
    done = postdrop(suite, data)
    assert done.returncode == 65, done.stderr
    assert not dropped(suite)


def put(suite, name, data, mode=0o744):
    """What lies in maildrop without postdrop."""
    path = suite.queue_dir / "maildrop" / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_crafted_files_in_maildrop_are_set_aside(suite):
    """PRIV 01, 05."""
    suite.trouble_is_expected = True
    suite.start()
    for n in range(20):
        put(suite, f"short{n}", message(*GOOD)[:n])
    put(suite, "lies", message(record("R", "a b c"), *GOOD))
    put(suite, "newline", message(record("S", "a\nb"), *GOOD))
    os.symlink("/etc/passwd", suite.queue_dir / "maildrop" / "link")
    os.mkfifo(suite.queue_dir / "maildrop" / "fifo", 0o744)
    first = put(suite, "hard", message(*GOOD))
    os.link(first, suite.queue_dir / "maildrop" / "hard2")
    unfinished = put(suite, "unfinished", message(*GOOD), 0o600)
    suite.run("sendmail", "alice", stdin=b"Subject: x\n\nx\n")
    suite.mailbox("alice").wait(1)
    wait_for("all to be set aside", lambda: dropped(suite) == [unfinished])
    suite.wait_empty()
    assert len(suite.mailbox("bob").paths()) <= 1
    assert len(suite.files_in("corrupt")) >= 22


def test_what_is_not_finished_holds_up_no_one_else(make_suite):
    suite = make_suite(myorigin="example.test").start()
    suite.stop()
    for n in range(300):
        put(suite, f"unfinished{n}", message(*GOOD), 0o600)
    for _ in range(10):
        suite.run("sendmail", "alice", stdin=b"Subject: x\n\nx\n")
    suite.start()
    suite.mailbox("alice").wait(10)
    wait_for("the rest to be left", lambda: len(dropped(suite)) == 300)


def test_as_many_recipients_as_postdrop_takes(make_suite):
    suite = make_suite(myorigin="example.test", defer_transports="virtual")
    suite.start()
    people = [record("R", f"{'x' * 40}{n}@example.test".encode())
              for n in range(99000)]
    people += people[:1000]  # who is named twice gets it once
    done = postdrop(suite, message(record("S", b"bob@example.test"), *people,
                                   record("C", b"Subject: x\n\nx\n")))
    assert done.returncode == 0, done.stderr
    suite.log.wait("nrcpt=99000 ", "qmgr", patience=120)
    wait_for("maildrop to be empty", lambda: not dropped(suite))
    done = postdrop(suite, message(record("S", b"bob@example.test"), *people,
                                   people[0], record("C", b"x\n")))
    assert done.returncode == 65


def test_mail_that_goes_round_stops(make_suite):
    suite = make_suite(hopcount_limit=5, myorigin="example.test")
    suite.start()
    suite.run("sendmail", "alice", stdin=b"Received: x\n" * 6 + b"\nx\n")
    suite.log.wait("goes round")
    assert not suite.mailbox("alice").paths()


def test_what_is_too_large_is_refused(make_suite):
    suite = make_suite(message_size_limit=10000)
    suite.start()
    done = suite.run("sendmail", "alice@example.test", ok=False,
                     stdin=b"Subject: x\n\n" + b"x" * 20000)
    assert done.returncode == 69
    assert not dropped(suite)


def test_only_who_may_submits(make_suite):
    suite = make_suite(authorized_submit_users="!nobody, static:all")
    if not is_root():
        suite.set(authorized_submit_users="somebody")
    suite.start()
    more = {"user": NOBODY, "group": NOBODY} if is_root() else {}
    done = suite.run("sendmail", "-f", "a", "alice@example.test", ok=False,
                     stdin=b"x\n", **more)
    assert done.returncode == 77, done.stderr
    assert not dropped(suite)


def limits(**values):
    def set_them():
        for name, value in values.items():
            what = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(what, (value, value))
    return set_them


def test_a_small_file_limit_leaves_nothing(suite):
    """PRIV 04."""
    suite.write()
    (suite.queue_dir / "maildrop").mkdir(parents=True)
    done = postdrop(suite, message(*GOOD, *[record("C", b"x" * 8000)] * 20),
                    preexec_fn=limits(FSIZE=20000))
    assert done.returncode == 75, done.stderr
    assert not dropped(suite)


def test_without_descriptors_nothing_of_ours_is_standard_input(suite):
    """PRIV 04."""
    suite.write()
    (suite.queue_dir / "maildrop").mkdir(parents=True)
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" <&- >&- 2>&-',
         suite.commands / "postdrop"], env=suite.environment(), timeout=60,
        check=False)
    assert done.returncode == 65
    assert not dropped(suite)


def test_signals_do_not_leave_half_a_message(suite):
    suite.write()
    (suite.queue_dir / "maildrop").mkdir(parents=True)
    process = subprocess.Popen([suite.commands / "postdrop"],
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=suite.environment())
    process.stdin.write(message(*GOOD, end=False))
    process.stdin.flush()
    wait_for("its file", lambda: dropped(suite))
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        process.send_signal(sig)
    process.stdin.close()
    assert process.wait(30) == 65
    process.stderr.close()
    assert not dropped(suite)


@pytest.mark.root
@pytest.mark.privilege
def test_an_ordinary_user_submits_through_the_set_gid_postdrop(suite):
    suite.start()
    suite.run("postrider", "-c", suite.etc, "set-permissions")
    submit_as_nobody(suite)


def submit_as_nobody(suite):
    # Where an installation has its main.cf: below its prefix.
    prefix = suite.commands.parent.relative_to(suite.base / "root")
    installed = f"/{prefix}/etc/postrider"
    command = suite.commands / "postdrop"
    assert command.stat().st_mode & 0o7777 == 0o2755
    hostile = {"MAIL_CONFIG": str(suite.etc), "LD_PRELOAD": "/nonexistent",
               "IFS": "x", "PATH": "/nonexistent", "TZ": "x" * 5000,
               "ASAN_OPTIONS": "detect_leaks=0"}
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def run(stdin, **env):
        return subprocess.run([command], input=stdin, capture_output=True,
                              env=hostile | env, cwd="/", timeout=60,
                              check=False, **user)

    # A configuration of the caller's choice is not read.
    assert run(message(*GOOD)).returncode == 78
    with names_of(suite, installed):
        assert run(message(*GOOD)).returncode == 0
        other = shutil.copytree(suite.etc, suite.dir / "other")
        done = run(message(*GOOD), MAIL_CONFIG=str(other))
        assert done.returncode == 78
        assert b"alternate_config_directories" in done.stderr
        done = run(message(*GOOD)[:-1])
        assert done.returncode == 65
    suite.mailbox("bob").wait(1)
    suite.log.wait(rf"uid={NOBODY} from=<alice>", "pickup")
    suite.wait_empty()
    assert not dropped(suite)


@pytest.mark.root
@pytest.mark.privilege
def test_an_ordinary_user_sees_the_queue_and_may_not_flush_it(make_suite):
    """PRIV 04: through the set-gid postqueue, with nothing of his taken over."""
    suite = make_suite(authorized_mailq_users="!bin, nobody",
                       authorized_flush_users="!nobody, static:all")
    suite.start()
    prefix = suite.commands.parent.relative_to(suite.base / "root")
    hostile = {"MAIL_CONFIG": str(suite.etc), "PATH": "/nonexistent",
               "TZ": "x" * 5000, "ASAN_OPTIONS": "detect_leaks=0"}

    def run(*words, user=NOBODY):
        done = subprocess.run(
            ["/bin/sh", "-c", 'exec "$0" "$@" <&-',
             suite.commands / "postqueue", *words], capture_output=True,
            env=hostile, cwd="/", timeout=60, check=False, text=True,
            user=user, group=user, extra_groups=[])
        return done.returncode, done.stdout, done.stderr
    suite.run("postrider", "-c", suite.etc, "set-permissions")
    assert run("-p")[0] == 69  # a configuration of his choice
    with names_of(suite, f"/{prefix}/etc/postrider"):
        assert run("-p") == (0, "Mail queue is empty\n", "")
        assert run("-j") == (0, "", "")
        not_allowed = (f"postqueue: fatal: User nobody({NOBODY}) is not "
                       "allowed to flush the mail queue\n")
        for words in (["-f"], ["-i", "ABCDEF"], ["-s", "a.test"]):
            assert run(*words) == (77, "", not_allowed)
        status, _, error = run("-p", user=2)
        assert status == 77 and "(2) is not allowed to view" in error
        suite.stop()
        assert run("-p") == (
            69, "", "postqueue: fatal: Queue report unavailable - mail "
            "system is down\n")


class names_of:
    """The installed main.cf names the suite's configuration, in our mounts."""

    def __init__(self, suite, installed):
        self.suite, self.installed = suite, installed

    def __enter__(self):
        os.makedirs(self.installed, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", self.installed],
                       check=True)
        with open(f"{self.installed}/main.cf", "w",
                  encoding="ascii") as main:
            main.write(f"alternate_config_directories = {self.suite.etc}\n")

    def __exit__(self, *_):
        subprocess.run(["umount", self.installed], check=True)


@pytest.mark.parametrize("name", ["sendmail", "postdrop", "postqueue"])
def test_set_gid_programs_link_little(suite, name):
    needed = subprocess.run(["readelf", "-d", suite.commands / name],
                            capture_output=True, text=True,
                            check=True).stdout
    libraries = re.findall(r"NEEDED.*\[(lib[^]]+?)\.so", needed)
    assert "libc" in libraries
    assert set(libraries) <= {"libc", "libz", "libasan", "libubsan", "libm"}


def test_a_program_can_speak_smtp_to_it(suite):
    """sendmail -bs: also while the suite is down."""
    suite.write()
    suite.start(write=False)
    suite.stop()
    said = suite.run("sendmail", "-bs", stdin=(
        b"EHLO me\r\nDATA\r\nMAIL FROM:<carol@example.test> SIZE=10\r\n"
        b"RCPT TO:<a b>\r\nRCPT TO:<alice@example.test>\r\n"
        b"RCPT TO:<bob@example.test>\r\nDATA\r\nSubject: one\r\n\r\n"
        b"..dot\r\n.x\r\nlast\r\n.\r\n"
        b"MAIL FROM:<>\nRCPT TO:alice\nRSET\nRCPT TO:<bob>\n"
        b"MAIL FROM:<d@example.test>\nRCPT TO:<alice@example.test>\n"
        b"DATA\nSubject: two\n\ntext\n.\n.\nHELP\n" + b"x" * 5000
        + b"\nQUIT\nNOOP\n")).stdout.splitlines()
    assert said == [
        "220 mail.example.test ESMTP", "250-mail.example.test",
        "250-PIPELINING", "250-SIZE", "250-ENHANCEDSTATUSCODES",
        "250 8BITMIME", "503 5.5.1 Error: need RCPT command",
        "250 2.1.0 Ok", "501 5.1.3 Bad recipient address syntax",
        "250 2.1.5 Ok", "250 2.1.5 Ok",
        "354 End data with <CR><LF>.<CR><LF>", "250 2.0.0 Ok: queued",
        "250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.0.0 Ok",
        "503 5.5.1 Error: need MAIL command", "250 2.1.0 Ok", "250 2.1.5 Ok",
        "354 End data with <CR><LF>.<CR><LF>", "250 2.0.0 Ok: queued",
        "500 5.5.2 Error: command not recognized",
        "500 5.5.2 Error: command not recognized",
        "500 5.5.2 Error: command too long", "221 2.0.0 Bye"]
    assert len(dropped(suite)) == 2
    suite.start()
    one, = suite.mailbox("bob").wait(1)
    assert one.header("Return-Path") == "<carol@example.test>"
    assert one.body == b".dot\nx\nlast\n"
    assert {m.header("Subject") for m in suite.mailbox("alice").wait(2)} == {
        "one", "two"}


def test_what_a_program_does_not_end_is_no_mail(suite):
    suite.write()
    suite.start(write=False)
    suite.stop()
    done = suite.run("sendmail", "-bs", ok=False, stdin=(
        b"MAIL FROM:<a@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
        b"DATA\r\nSubject: x\r\n\r\nhalf"))
    assert done.returncode == os.EX_IOERR
    assert not dropped(suite)


def test_smtp_from_a_program_is_refused_as_it_should_be(suite):
    suite.set(message_size_limit="1000")
    suite.write()
    suite.start(write=False)
    suite.stop()
    big = (b"MAIL FROM:<a@example.test>\nRCPT TO:<bob@example.test>\nDATA\n"
           + b"x\n" * 40000 + b".\nQUIT\n")
    assert "552 5.3.4" in suite.run("sendmail", "-bs", stdin=big).stdout
    assert not dropped(suite)
