"""What was sent lies in the mailbox, byte for byte, after CRLF became LF."""
import os
import re
import subprocess
import time

import pytest

from ways import make_suite, suite  # noqa: F401: fixtures

HEAD = b"From: bob@client.test\r\nSubject: a test\r\n\r\n"

BODIES = {
    "empty body": HEAD,
    "one line": HEAD + b"hello\r\n",
    "only dots": HEAD + b".\r\n..\r\n...\r\n.\r\n",
    "dots at the start": HEAD + b".hidden\r\n.\r\n",
    "dots and text": HEAD + b".\r\n..\r\n.x\r\ny\r\n",
    "empty lines": HEAD + b"\r\n" * 50,
    "a NUL": HEAD + b"a\0b\r\n\0\r\n",
    "8 bit": HEAD + bytes(range(128, 256)) + b"\r\n\xff\xfe\r\n",
    "bare CR": HEAD + b"a\rb\r\n\r\rc\r\n",
    "CR at the end": HEAD + b"a\r\r\n",
    "a line of 100,000 bytes": HEAD + b"x" * 100000 + b"\r\n",
    "a header of 100,000 bytes": b"Subject: " + b"y" * 100000
    + b"\r\n\r\nbody\r\n",
    "a folded header of 100,000 bytes": b"Subject: a\r\n"
    + b" 0123456789 0123456789 0123456789 0123456789 012\r\n" * 2000
    + b"\r\nbody\r\n",
    "all control characters": HEAD + bytes(
        c for c in range(1, 32) if c not in (10, 13)) + b"\x7f\r\n",
    "spaces at ends of lines": HEAD + b" \r\n a \r\n\t\r\n",
    "boundaries of buffers": HEAD + b"".join(
        b"z" * n + b"\r\n" for n in range(4000, 4200, 3)),
}


def stuffed(data):
    return re.sub(rb"(?m)^\.", b"..", data)


def stored(data, suite):
    data = data.replace(b"\r\n", b"\n")
    # A CR that ends no line is no content that a client of LMTP may send.
    return data.replace(b"\r", b" ") if suite.by_lmtp else data


def begin(wire, to="alice@example.test"):
    wire.send(b"MAIL FROM:<bob@client.test> BODY=8BITMIME\r\n"
              b"RCPT TO:<%s>\r\nDATA\r\n" % to.encode())
    for code in (250, 250, 354):
        wire.expect(code)


def deliver(suite, data):
    with suite.session() as wire:
        begin(wire)
        wire.send(stuffed(data) + b".\r\n")
        wire.expect(250, "2.0.0")
        wire.command("QUIT", 221)


def test_bytes_stay_what_they_are(suite):
    for data in BODIES.values():
        deliver(suite, data)
    messages = suite.mailbox("alice").wait(len(BODIES))
    assert len({m.path.name for m in messages}) == len(BODIES)
    found = {m.content() for m in messages}
    for name, data in BODIES.items():
        assert stored(data, suite) in found, name
    for message in messages:
        assert message.headers("Return-Path") == ["<bob@client.test>"]
        assert len(message.headers("Received")) == 1


def test_ten_megabytes(make_suite):
    suite = make_suite(message_size_limit=20000000).start()
    line = bytes(range(32, 96)) + b"\r\n"
    data = HEAD + line * (10 * 1024 * 1024 // len(line))
    deliver(suite, data)
    message, = suite.mailbox("alice").wait(1)
    assert message.content() == stored(data, suite)
    name = re.search(r",S=(\d+)(?:,W=(\d+))?", message.path.name)
    if name:
        assert int(name[1]) == len(message.data)
        if name[2]:
            lines = message.data.count(b"\n")
            assert int(name[2]) == len(message.data) + lines


def test_what_has_no_header_is_delivered_too(suite):
    for n, data in enumerate([b"", b"just text\r\n", b"\r\n", b"..\r\n"]):
        deliver(suite, data)
        message = suite.mailbox("alice").wait(n + 1)[n]
        assert message.data.endswith(stored(data, suite))
        # What is text to the client is text to the reader.
        if data:
            assert message.body.lstrip(b"\n") == stored(data, suite).lstrip(b"\n")


def test_each_way_to_cut_a_message_in_two(suite):
    """SMUG 14: a boundary between any two bytes of the data and its end."""
    data = HEAD + b"a\r\n.\r\n\r\n..x\r\r\n"
    wire_bytes = stuffed(data) + b".\r\n"
    with suite.session() as wire:
        for at in range(1, len(wire_bytes)):
            begin(wire)
            wire.send(wire_bytes[:at])
            time.sleep(0.002)  # so that the rest comes in a read of its own
            wire.send(wire_bytes[at:])
            wire.expect(250)
    for message in suite.mailbox("alice").wait(len(wire_bytes) - 1):
        assert message.content() == stored(data, suite)


def test_swaks(suite, tmp_path):
    for n, name in enumerate(("empty body", "dots and text", "8 bit")):
        data = BODIES[name]
        file = tmp_path / "mail"
        file.write_bytes(stored(data, suite))
        done = subprocess.run(
            ["swaks", "--server", suite.addr, "--port", str(suite.port()),
             "--from", "bob@client.test", "--to", "alice@example.test",
             "--helo", "client.test", "--data", f"@{file}"],
            capture_output=True, text=True, errors="replace", timeout=60,
            stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, name + done.stdout + done.stderr
        # swaks ends the data with an empty line of its own.
        message = suite.mailbox("alice").wait(n + 1)[n]
        assert message.content().rstrip(b"\n") == stored(data, suite).rstrip(
            b"\n"), name


@pytest.mark.parametrize("options", [
    ["-s", "1", "-m", "20", "-l", "4096"],
    ["-s", "20", "-m", "200", "-l", "4096"],
    ["-s", "10", "-m", "50", "-d", "-l", "20000"],
    ["-s", "5", "-m", "10", "-r", "2", "-l", "100"],
], ids=" ".join)
def test_smtp_source(suite, options):
    messages = int(options[3])
    per_message = int(options[options.index("-r") + 1]) if "-r" in options \
        else 1
    if per_message > 1:  # smtp-source puts a number before the second
        suite.add_user("2alice")
        suite.stop()
        suite.start()
    done = subprocess.run(
        ["smtp-source", *options, "-M", "client.test", "-f",
         "bob@client.test", "-t", "alice@example.test",
         f"{suite.addr}:{suite.port()}"],
        capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    users = ["alice", "2alice"] if per_message > 1 else ["alice"]
    for user in users:
        found = suite.mailbox(user).wait(messages)
        assert all(re.search(rb"X{79}\n|X+\n", m.body) for m in found)
        assert len({m.body for m in found}) == 1
    suite.wait_empty()
    assert not suite.files_in()


def test_uids_are_given_in_order_and_once(suite):
    for n in range(30):
        suite.send(f"Subject: {n}\n\n")
    messages = suite.mailbox("alice").wait(30)
    uids = [re.search(r",P(\d+)\.(\d+)", m.path.name) for m in messages]
    assert all(uids), messages[0].path.name
    assert len({u[1] for u in uids}) == 1
    numbers = [int(u[2]) for u in uids]
    assert numbers == sorted(set(numbers))
    assert not os.listdir(suite.mailbox("alice").path / "tmp")


@pytest.mark.root
@pytest.mark.privilege
def test_mail_belongs_to_who_virtual_uid_maps_names(make_suite):
    suite = make_suite()
    suite.files["uids"] = "alice@example.test 5001\nbob@example.test 5002\n"
    suite.set(virtual_uid_maps=f"texthash:{suite.etc}/uids",
              virtual_gid_maps="static:5000")
    suite.mail.chmod(0o775)
    for user in ("alice", "bob"):
        place = suite.mail / "example.test" / user
        place.mkdir(parents=True)
        os.chown(place, 5001 if user == "alice" else 5002, 5000)
    (suite.mail / "example.test").chmod(0o755)
    suite.start()
    suite.send("Subject: x\n\n", to=["alice", "bob"])
    for user, uid in (("alice", 5001), ("bob", 5002)):
        message, = suite.mailbox(user).wait(1)
        stat = message.path.stat()
        assert (stat.st_uid, stat.st_gid) == (uid, 5000)
        assert stat.st_mode & 0o077 == 0
