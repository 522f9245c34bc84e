"""postrider upgrade-configuration: what a newer version needs is added."""
import os


def upgrade(suite):
    done = suite.run("postrider", "-c", suite.etc, "upgrade-configuration")
    assert done.stderr == ""
    return done.stdout


def test_services_that_lack_are_added_with_their_reason(make_suite):
    suite = make_suite()
    del suite.services["broker"], suite.services["qmgr"]
    suite.write()
    master, main = suite.etc / "master.cf", suite.etc / "main.cf"
    before = "# mine\n" + master.read_text() + "  # kept\n"
    master.write_text(before)
    master.chmod(0o640)
    said = upgrade(suite)
    after = master.read_text()
    assert after.startswith(before)
    added = after[len(before):].splitlines()
    assert [line.split()[0] for line in added] == [
        "qmgr", "cleanup", "pickup", "proxymap", "broker", "smtp", "relay",
        "lmtp", "local", "error", "retry", "discard"]
    assert len(said.splitlines()) == len(added) + 1
    assert "added the service broker/unix, which gives logins" in said
    assert "added the service qmgr/unix, which decides" in said
    assert master.stat().st_mode & 0o777 == 0o640
    assert "compatibility_level" in main.read_text()
    suite.run("postrider", "-c", suite.etc, "check")


def test_twice_is_once(make_suite):
    suite = make_suite()
    suite.write()
    assert upgrade(suite) != ""
    files = [suite.etc / name for name in ("main.cf", "master.cf")]
    before = [(f.read_text(), f.stat().st_ino) for f in files]
    assert upgrade(suite) == ""
    assert [(f.read_text(), f.stat().st_ino) for f in files] == before


def test_what_is_there_stays(make_suite):
    suite = make_suite()
    suite.set(compatibility_level="2")
    suite.services["relay"] = "relay unix - - n - 7 smtp"
    suite.services["log"] = suite.services.pop("postlog").replace(
        "postlog ", "mylog ", 1)
    suite.write()
    said = upgrade(suite)
    assert "relay/unix" not in said and "postlog/" not in said
    assert "compatibility_level" not in said
    assert "auth/unix" not in said


def test_authd_is_for_those_who_log_in(make_suite):
    suite = make_suite().set(auth_user_maps="static:x")
    suite.write()
    assert "added the service auth/unix" in upgrade(suite)


def test_all_or_nothing(make_suite):
    suite = make_suite()
    suite.write()
    master = suite.etc / "master.cf"
    master.write_text(master.read_text() + "broken\n")
    before = master.read_text()
    done = suite.run("postrider", "-c", suite.etc, "upgrade-configuration",
                     ok=False)
    assert done.returncode == 1 and "master.cf" in done.stderr
    assert master.read_text() == before
    assert sorted(os.listdir(suite.etc)) == ["main.cf", "master.cf", "vmailbox"]


def test_arguments_that_mean_nothing_are_refused(make_suite):
    suite = make_suite()
    suite.write()
    for verb in ("upgrade-configuration", "set-permissions"):
        done = suite.run("postrider", "-c", suite.etc, verb, "mail_owner=x",
                         ok=False)
        assert done.returncode == 1 and "no arguments" in done.stderr


def test_the_suite_runs_with_what_was_added(make_suite):
    suite = make_suite()
    del suite.services["broker"], suite.services["qmgr"]
    suite.write()
    upgrade(suite)
    suite.start(write=False)
    suite.send("Subject: a\n\nb\n")
    suite.mailbox("alice").wait(1)
