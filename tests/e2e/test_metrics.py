"""Counters: as text that monitoring reads, over HTTP, and on a terminal."""
import http.client
import imaplib
import os
import pty
import re
import select
import socket
import ssl
import time

import pytest

import openmetrics
from suite import PATIENCE, PORT_BASE, wait_for

PORT = PORT_BASE + 54
MESSAGE = "Subject: x\r\n\r\nhello\r\n"


def metrics(suite):
    return openmetrics.read(
        suite.run("postrider", "-c", suite.etc, "metrics").stdout)


def value(samples, name, **labels):
    """The sum over all labels that are not said."""
    found = [v for (n, have), v in samples.items()
             if n == "postrider_" + name and set(labels.items()) <= have]
    return sum(found)


@pytest.fixture
def served(make_suite):
    """With the service metrics on TCP and on a Unix socket."""
    suite = make_suite(sandbox="enforce")
    suite.services["metrics"] = (f"{suite.addr}:{PORT} inet n - n - 10 "
                                 "metrics")
    suite.services["metrics-unix"] = "metrics unix y - n - 10 metrics"
    return suite.start()


def get(suite, path="/metrics", method="GET"):
    connection = http.client.HTTPConnection(suite.addr, PORT, timeout=PATIENCE)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer, answer.read().decode()


def test_what_happened_is_counted(make_suite):
    suite = make_suite().with_tls().with_auth(alice="secret").with_mailboxes()
    suite.set(smtpd_reject_unlisted_recipient="no").start()
    suite.send(MESSAGE)
    suite.send(MESSAGE, to="ghost", sender="alice@example.test")
    suite.mailbox("alice").wait(2)
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@client.test>", 250)
        wire.command("RCPT TO:<x@foreign.test>", 554)
    imap = imaplib.IMAP4(suite.addr, suite.port("imap"))
    imap.starttls(ssl._create_unverified_context())
    with pytest.raises(imaplib.IMAP4.error):
        imap.login("alice@example.test", "wrong")
    imap.login("alice@example.test", "secret")

    def counted():
        samples = metrics(suite)
        return samples if value(samples, "deliveries_total",
                                transport="virtual", status="sent") == 2 \
            and value(samples, "rejects_total") == 1 else None
    samples = wait_for("all to be counted", counted)
    assert value(samples, "messages_total", service=f"{suite.smtp[0]}:"
                 f"{suite.smtp[1]}", type="inet") == 2
    assert value(samples, "recipients_total", verdict="sent") == 2
    assert value(samples, "recipients_total", verdict="bounced") == 1
    assert value(samples, "deliveries_total", status="bounced") == 1
    assert value(samples, "tls_handshakes_total") == 1
    assert value(samples, "logins_total") == 1
    assert value(samples, "login_failures_total") == 1
    assert value(samples, "delivery_delay_seconds_count") == 2
    assert value(samples, "log_lines_total") > 10
    assert value(samples, "sessions", type="inet") >= 1
    assert value(samples, "workers", service="qmgr") == 1
    imap.logout()


def test_the_queue_is_counted_by_folder(make_suite):
    suite = make_suite()
    suite.services["relay-out"] = "smtp unix - - n - 100 smtp"
    suite.set(relayhost=f"[{suite.addr}]:1").start()
    suite.send(MESSAGE, to="x@b.test", bind="127.0.0.2")
    suite.log.wait("status=deferred")
    wait_for("the file in deferred", lambda: value(
        metrics(suite), "queue_files", folder="deferred") == 1)
    samples = metrics(suite)
    assert value(samples, "queue_files") == 1
    assert value(samples, "deliveries_total", transport="smtp",
                 status="deferred") == 1


def test_counters_survive_who_counted(suite):
    suite.send(MESSAGE)
    suite.log.wait("removed")
    wait_for("the line", lambda: value(metrics(suite), "deliveries_total",
                                       status="sent") == 1)
    suite.trouble_is_expected = True
    gone = suite.kill("postlogd") + suite.kill("smtp")
    wait_for("others", lambda: not set(gone) & set(suite.pids()))
    suite.send(MESSAGE)
    wait_for("both", lambda: value(metrics(suite), "deliveries_total",
                                   status="sent") == 2)
    assert value(metrics(suite), "messages_total") == 2


def test_it_is_served_over_http(served):
    answer, text = get(served)
    assert answer.status == 200
    assert answer.getheader("Content-Type") == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert value(openmetrics.read(text), "workers", service="metrics",
                 type="unix") == 1
    answer, text = get(served, method="HEAD")
    assert answer.status == 200 and not text
    assert int(answer.getheader("Content-Length")) > 1000
    assert get(served, "/")[0].status == 404
    answer, _ = get(served, method="DELETE")
    assert answer.status == 405 and answer.getheader("Allow") == "GET, HEAD"
    path = served.queue_dir / "private/metrics"
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(str(path))
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    openmetrics.read(text.split("\r\n\r\n", 1)[1])
    assert len(served.pids("metrics")) == 2
    assert not served.log.find("sandbox")


@pytest.mark.sandbox
def test_it_is_served_from_a_sandbox(served):
    for pid in served.pids("metrics"):
        with open(f"/proc/{pid}/status", encoding="latin-1") as f:
            assert re.search(r"^Seccomp:\t2$", f.read(), re.M)
    _, text = get(served)
    assert value(openmetrics.read(text), "queue_files") == 0


@pytest.mark.parametrize("said, status", [
    (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
    (b"\x16\x03\x01\r\n", b"400"),
    (b"GET /" + b"x" * 5000, b"414"),
    (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 65, b"431"),
    (b"GET /metrics HTTP/3.0\r\n", b"505"),
])
def test_what_is_no_request_is_told_so(served, said, status):
    with socket.create_connection((served.addr, PORT), PATIENCE) as s:
        s.sendall(said)
        got = b"".join(iter(lambda: s.recv(65536), b""))
    assert got.startswith(b"HTTP/1.1 " + status + b" "), got


def test_many_who_ask_get_the_same_and_all_an_answer(served):
    connections = []
    for _ in range(30):  # of whom 10 are served at a time
        s = socket.create_connection((served.addr, PORT), PATIENCE)
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        connections.append(s)
    for s in connections:
        text = b"".join(iter(lambda s=s: s.recv(65536), b"")).decode()
        openmetrics.read(text.split("\r\n\r\n", 1)[1])
        s.close()


def test_while_master_is_down_there_is_nothing_to_tell(suite):
    suite.stop()
    done = suite.run("postrider", "-c", suite.etc, "metrics", ok=False)
    assert done.returncode == 1 and "not running" in done.stderr
    done = suite.run("postrider", "-c", suite.etc, "top", "-b", ok=False)
    assert done.returncode == 1 and "not running" in done.stderr


def test_status_is_for_people(suite):
    suite.send(MESSAGE)
    suite.log.wait("removed")

    def status():
        text = suite.run("postrider", "-c", suite.etc, "status").stdout
        return text if "lines=" in text else None
    assert "deliveries." not in wait_for("lines to be counted", status)


def test_top_shows_rates(suite):
    suite.send(MESSAGE)
    suite.log.wait("removed")
    out = suite.run("postrider", "-c", suite.etc, "top", "-b", "-n", "2",
                    "-d", "1").stdout
    views = out.split("\n\npostrider ")
    assert len(views) == 2
    assert re.search(r"^in all +1 +1 +0 +0 +0 +0 +0$", views[1], re.M), out
    assert re.search(r"^a second( +-){7}$", views[0], re.M), out
    assert re.search(r"^a second( +0\.0){7}$", views[1], re.M), out
    assert re.search(r"^qmgr +1 +\d+ +[\d.]+   unix$", views[1], re.M), out
    assert re.search(r"^queue:  incoming \d+  deferred 0", views[1], re.M)
    done = suite.run("postrider", "-c", suite.etc, "top", "-x", ok=False)
    assert done.returncode == 1
    done = suite.run("postrider", "-c", suite.etc, "top", ok=False)
    assert "no terminal" in done.stderr


def test_top_gives_the_terminal_back(suite):
    pid, terminal = pty.fork()
    if pid == 0:
        program = str(suite.commands / "postrider")
        os.execve(program, [program, "-c", str(suite.etc), "top"],
                  suite.environment() | {"TERM": "xterm"})
    seen = b""
    deadline = time.monotonic() + PATIENCE
    while b"\x1b[?1049l" not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)
        if b"service" in seen and b"\x1b[?1049l" not in seen:
            os.write(terminal, b"q")
    assert seen.startswith(b"\x1b[?1049h") and b"\x1b[?1049l" in seen
    assert b"accepted" in seen
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
