"""What programs and commands have in their environment: import_environment and
export_environment.
"""
import pytest

from suite import wait_for

SANITIZERS = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}  # of test builds
STRANGE = {"LD_DEBUG_OUTPUT": "/x", "PASSWORD": "secret", "LANG": "xx_XX",
           "DISPLAY": ":7"}


def environment_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as f:
        words = f.read().decode("latin-1").split("\0")
    found = dict(w.split("=", 1) for w in words if w)
    return {k: v for k, v in found.items() if k not in SANITIZERS}


@pytest.fixture
def suite(make_suite):
    """One that is started by somebody with more in his environment."""
    made = make_suite()
    given = made.environment()
    made.environment = lambda: given | STRANGE
    return made


def daemons(suite):
    return {service: environment_of(suite.pids(service)[0])
            for service in ("smtpd", "qmgr", "cleanup")}


def test_daemons_have_what_is_listed_and_nothing_else(suite):
    suite.start()
    for service, found in daemons(suite).items():
        assert found == {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                         "MAIL_CONFIG": str(suite.etc), "TZ": "UTC",
                         "LANG": "C", "DISPLAY": ":7"}, service


def test_a_reload_lists_other_variables(suite):
    suite.set(import_environment="PATH=/bin").start()
    assert daemons(suite)["smtpd"] == {"PATH": "/bin"}
    before = suite.pids("smtpd")
    suite.set(import_environment="{ ONE=two words } PASSWORD, TZ=X+3")
    suite.reload()
    wait_for("other daemons", lambda: suite.pids("smtpd")
             and not set(before) & set(suite.pids("smtpd")))
    assert daemons(suite)["smtpd"] == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PASSWORD": "secret",
        "ONE": "two words", "TZ": "X+3"}


def test_commands_set_variables_too(suite):
    suite.set(import_environment="TZ=AAA-1",
              defer_transports="virtual").start()
    suite.send("Subject: x\r\n\r\nx\r\n")
    wait_for("mail that waits", suite.queue)

    def hour():
        line = suite.run("postqueue", "-p").stdout.splitlines()[1].split()
        return int(line[5].split(":")[0])  # ID SIZE Day Mon DD HH:MM:SS
    there = hour()
    suite.set(import_environment="TZ=AAA-3").write()
    assert hour() == (there + 2) % 24


@pytest.mark.root
def test_users_commands_get_what_is_exported(make_suite):
    suite = make_suite().with_people()
    given = suite.environment()
    suite.environment = lambda: given | STRANGE
    suite.put_home("ben", ".forward", '"|env >$HOME/got"\n')
    suite.set(import_environment="MAIL_CONFIG DISPLAY PASSWORD TZ=UTC",
              export_environment="TZ MAIL_CONFIG LANG DISPLAY "
                                 "{ GIVEN=a b }").start()
    suite.send("Subject: x\r\n\r\nx\r\n", to="ben@here.test")
    got = suite.home("ben") / "got"
    suite.wait_empty()
    found = dict(line.split("=", 1) for line in got.read_text().splitlines())
    assert found["TZ"] == "UTC"
    assert found["MAIL_CONFIG"] == str(suite.etc)
    assert found["DISPLAY"] == ":7"
    assert found["GIVEN"] == "a b"
    assert found["HOME"] == str(suite.home("ben"))
    assert not found.keys() & {"LANG", "PASSWORD", "LD_DEBUG_OUTPUT"}

