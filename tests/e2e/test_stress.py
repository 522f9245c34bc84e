"""$stress: a service that clients wait for has less patience with new ones."""
import os
import pathlib

import pytest

from suite import wait_for

BANNER = "$myhostname ${stress?{under stress}:{at ease}}"


@pytest.fixture
def suite(make_suite):
    made = make_suite(smtpd_banner=BANNER, service_workers=1,
                      service_stress_time="2s")
    made.services["smtp"] = made.services["smtp"].replace("2000", "2")
    return made


def mood(wire):
    return wire.expect(220).text.split(" ", 1)[1]


def listening():
    """The inodes of all sockets of the machine that listen."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {f"socket:[{w[9]}]" for w in map(str.split, lines) if w[3] == "0A"}


def accepts(pid):
    try:
        found = {os.readlink(f) for f in
                 pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    except FileNotFoundError:
        return False
    return bool(found & listening())


def wait_for_others(suite, old):
    """Until others have taken over from these."""
    wait_for("other workers", lambda: any(
        accepts(p) for p in set(suite.pids("smtpd")) - set(old)))
    wait_for("the old ones to accept no more",
             lambda: not any(accepts(p) for p in old))


def test_who_comes_while_others_wait_finds_stress(suite):
    suite.start()
    old = suite.pids("smtpd")
    first, second, third = (suite.wire() for _ in range(3))
    assert [mood(first), mood(second)] == ["at ease"] * 2
    suite.log.wait("service .*: clients wait; those that are taken from "
                   "now on find stress=yes", "master")
    wait_for_others(suite, old)
    first.command("EHLO client.test", 250)  # who is there stays
    first.command("QUIT", 221)
    assert mood(third) == "under stress"
    second.command("EHLO client.test", 250)
    second.command("QUIT", 221)
    with suite.wire() as fourth:
        assert mood(fourth) == "under stress"
    stressed = suite.pids("smtpd")
    third.command("QUIT", 221)
    suite.log.wait("no client has waited for 2 s; stress is over", "master")
    wait_for_others(suite, stressed)
    with suite.wire() as fifth:
        assert mood(fifth) == "at ease"


def test_a_service_that_says_so_itself_is_left_alone(suite):
    suite.services["smtp"] += " -o stress="
    suite.start()
    first, second, third = (suite.wire() for _ in range(3))
    assert [mood(first), mood(second)] == ["at ease"] * 2
    suite.log.wait("reached its limit of 2 sessions", "smtpd")
    first.command("QUIT", 221)
    assert mood(third) == "at ease"
    assert not suite.log.find("stress=yes")
    second.close()


def test_stress_shortens_the_time_that_a_client_has(suite):
    suite.services["smtp"] += " -o { smtpd_timeout = ${stress?{1}:{300}}s }"
    suite.start()
    old = suite.pids("smtpd")
    first, second, third = (suite.wire() for _ in range(3))
    assert [mood(first), mood(second)] == ["at ease"] * 2
    wait_for_others(suite, old)
    first.command("QUIT", 221)
    assert mood(third) == "under stress"
    assert third.expect(421)  # after a second of nothing
    second.command("NOOP", 250)
    second.command("QUIT", 221)
