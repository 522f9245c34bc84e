"""What starts the suite may be a service manager: it hears how it goes, and
gives sockets that it has opened."""
import os
import socket
import subprocess

import pytest

from suite import PORT_BASE, wait_for
from wire import Wire


class Manager:
    """Speaks sd_notify(3) and sd_listen_fds(3) as systemd does."""

    def __init__(self, suite):
        self.suite = suite
        self.path = suite.dir / "notify"
        self.listens = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listens.bind(str(self.path))
        self.path.chmod(0o777)
        self.listens.settimeout(60)
        self.process = None

    def start(self, *given):
        self.suite.write()

        def place():
            kept = [os.dup(s.fileno()) for s in given]
            for number, fd in enumerate(kept, 3):
                os.dup2(fd, number)
        count = len(given)
        environment = self.suite.environment() | {
            "NOTIFY_SOCKET": str(self.path), "LISTEN_FDS": str(count)}
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh",
             str(self.suite.commands / "postrider"), "-c", self.suite.etc,
             "start-fg"], env=environment, stdin=subprocess.DEVNULL,
            close_fds=False, preexec_fn=place)
        return self

    def told(self):
        text = self.listens.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.splitlines())

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0
        wait_for("all to end", lambda: not self.suite.pids())
        self.listens.close()


@pytest.fixture
def manager(make_suite):
    made = Manager(make_suite())
    yield made
    if made.process and made.process.poll() is None:
        made.stop()


def test_it_hears_when_the_suite_is_ready_reloads_and_stops(manager):
    manager.start()
    told = manager.told()
    assert told["READY"] == "1"
    assert int(told["MAINPID"]) == manager.process.pid
    manager.suite.send("Subject: x\n\n")  # ready means ready
    manager.suite.reload()
    told = manager.told()
    assert told["RELOADING"] == "1" and int(told["MONOTONIC_USEC"]) > 0
    assert manager.told()["READY"] == "1"
    manager.process.terminate()
    assert manager.told()["STOPPING"] == "1"


def test_its_socket_is_served_with_who_was_there_before_us(manager):
    suite = manager.suite
    with socket.create_server((suite.addr, PORT_BASE + 25)) as smtp:
        with Wire((suite.addr, PORT_BASE + 25)) as early:
            manager.start(smtp)
            assert manager.told()["READY"] == "1"
            early.expect(220)
            early.command("QUIT", 221)
        suite.send("Subject: x\n\n")
        suite.mailbox("alice").wait(1)
        manager.stop()
        # It is the manager's: somebody may wait there for the next start.
        Wire((suite.addr, PORT_BASE + 25)).close()


def test_a_socket_that_is_for_nobody_is_told_of(manager):
    suite = manager.suite
    with socket.create_server((suite.addr, PORT_BASE + 26)) as other, \
            socket.socket(socket.AF_UNIX) as wrong:
        wrong.bind(str(suite.dir / "wrong"))
        manager.start(other, wrong)
        assert manager.told()["READY"] == "1"
        suite.log.wait(rf"no service is for the socket \[?{suite.addr}\]?:"
                       rf"{PORT_BASE + 26} that was given", "master")
    suite.send("Subject: x\n\n")
    suite.mailbox("alice").wait(1)
