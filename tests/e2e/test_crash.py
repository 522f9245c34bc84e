"""Whatever is killed, what got 250 is in the Maildir: once, at most twice."""
import pytest

import load
from suite import wait_for
from ways import make_suite  # noqa: F401: a fixture

TOTAL = 2000
CLIENTS = 20
USERS = [f"user{n}" for n in range(10)]
HANDFUL = 5  # of messages that one crash of qmgr may deliver again


@pytest.mark.parametrize("victim", ["smtpd", "qmgr", "deliver", "broker",
                                    "postlogd"])
def test_one_program_is_killed_under_load(make_suite, victim):
    suite = make_suite(users=USERS, service_throttle_time="1s")
    suite.trouble_is_expected = True
    suite.start()
    clients = load.Load(suite, TOTAL, CLIENTS)
    kills = 0
    points = [TOTAL // 5, 2 * TOTAL // 5, 3 * TOTAL // 5]
    if victim == "deliver":
        # Its end between a delivery and the record of it is where mail comes
        # twice: once more with each kill, so here there is one.
        points = points[1:2]
    for accepted in points:
        clients.wait_accepted(accepted)
        killed = set(wait_for(f"{victim} to be there",
                              lambda: suite.kill(victim)))
        kills += 1
        wait_for(f"another {victim}",
                 lambda: set(suite.pids(victim)) - killed)
    accepted = clients.finish()
    assert len(accepted) == TOTAL
    suite.drain()
    again = load.check(suite, accepted)
    if victim == "qmgr":
        assert again <= HANDFUL * kills, f"{again} were delivered twice"
    if victim in ("smtpd", "broker", "postlogd"):
        assert again == 0


def test_the_whole_suite_is_killed_under_load(make_suite):
    suite = make_suite(users=USERS)
    suite.trouble_is_expected = True
    suite.start()
    clients = load.Load(suite, TOTAL, CLIENTS)
    for accepted in (TOTAL // 3, 2 * TOTAL // 3):
        clients.wait_accepted(accepted)
        suite.kill_all()
        suite.start()
    accepted = clients.finish()
    suite.drain()
    load.check(suite, accepted, at_most=3)  # it was killed twice


def test_what_was_queued_while_qmgr_was_away_is_delivered(make_suite):
    """smtpd's word that a message is there may be lost; the file is not."""
    suite = make_suite()
    suite.trouble_is_expected = True
    suite.start()
    line = suite.services["qmgr"]
    suite.take_away("qmgr")
    ids = [suite.send("Subject: x\n\nx\n") for _ in range(20)]
    assert len(set(ids)) == 20
    assert len(suite.files_in("incoming")) == 20
    suite.services["qmgr"] = line
    suite.reload()
    suite.mailbox("alice").wait(20)
    suite.wait_empty()


def test_a_restart_finds_what_was_left(make_suite):
    suite = make_suite()
    suite.start()
    place = suite.mail / "example.test"
    place.touch()  # no mailbox can be made here
    ids = {suite.send("Subject: x\n\nx\n") for _ in range(10)}
    wait_for("all to be deferred",
             lambda: {m["queue_id"] for m in suite.queue()
                      if m["queue_name"] == "deferred"} == ids)
    suite.stop()
    place.unlink()
    suite.start()
    assert {m["queue_id"] for m in suite.queue()} <= ids
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.mailbox("alice").wait(10)
    suite.wait_empty()
    assert not suite.files_in()
