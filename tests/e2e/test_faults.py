"""A fault of the configuration ends in one clear line: file, line, reason."""
import re

import pytest

from suite import wait_for

# What is wrong, where it stands, and what the line has to name.
FAULTS = {
    "a line without =": ("main.cf", "this is no parameter", ["="]),
    "a boolean": ("main.cf", "smtpd_delay_reject = perhaps",
                  ["smtpd_delay_reject", "perhaps", "yes", "no"]),
    "a time": ("main.cf", "minimal_backoff_time = soon",
               ["minimal_backoff_time", "soon"]),
    "a number": ("main.cf", "smtpd_recipient_limit = many",
                 ["smtpd_recipient_limit", "many"]),
    "a number out of bounds": ("main.cf", "hash_queue_depth = 99",
                               ["hash_queue_depth", "99", "16"]),
    "a word out of a list": ("main.cf", "smtpd_forbid_bare_newline = maybe",
                             ["smtpd_forbid_bare_newline", "maybe",
                              "normalize"]),
    "a value that needs itself": ("main.cf", "myhostname = a$myhostname",
                                  ["myhostname"]),
    "braces without end": ("main.cf", "smtpd_banner = ${myhostname",
                           ["smtpd_banner"]),
    "a restriction": ("main.cf", "smtpd_recipient_restrictions = "
                      "reject_unauth_destination, reject_mondays",
                      ["smtpd_recipient_restrictions", "reject_mondays"]),
    "a type of table": ("main.cf", "virtual_alias_maps = nosuch:/x",
                        ["virtual_alias_", "nosuch"]),
    "a table that is not there": (
        "main.cf", "virtual_alias_maps = texthash:/nonexistent/aliases",
        ["/nonexistent/aliases"]),
    "an owner that is not there": ("main.cf", "mail_owner = nosuchuser",
                                   ["mail_owner", "nosuchuser"]),
    "a service with too few fields": ("master.cf", "submission inet n",
                                      ["unpriv"]),
    "a type of service": ("master.cf", "x tcp n - n - - smtpd", ["tcp"]),
    "a number of processes": ("master.cf", "x unix - - n - some smtpd",
                              ["some"]),
    "a program that is none": ("master.cf", "x unix - - n - - smptd",
                               ["smptd"]),
}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.root if "mail_owner" in words[1]
                 else ()) for name, words in FAULTS.items()])
def test_one_line_says_what_and_where(make_suite, name):
    file, text, words = FAULTS[name]
    suite = make_suite()
    if file == "main.cf":
        suite.params.pop(text.split()[0], None)
    suite.write()
    path = suite.etc / file
    path.write_text(path.read_text() + text + "\n")
    line = len(path.read_text().splitlines())
    for verb in ("check", "start"):
        done = suite.run("postrider", "-c", suite.etc, verb, ok=False)
        assert done.returncode != 0, verb
        said = [s for s in (done.stdout + done.stderr).splitlines()
                if not s.startswith(("note: ", "warning: "))]
        assert len(said) == 1, (verb, said)
        assert re.search(rf"\b{re.escape(file)}:{line}: ", said[0]), said[0]
        for word in words:
            assert word in said[0]
    wait_for("what was started to end", lambda: not suite.pids())


def test_a_misspelt_parameter_is_a_warning_with_its_line(make_suite):
    suite = make_suite()
    suite.set(smtpd_recipient_limits="5")
    suite.write()
    done = suite.run("postrider", "-c", suite.etc, "check")
    line = len(suite.params)
    assert f"warning: main.cf:{line}: unused parameter: " \
        "smtpd_recipient_limits = 5\n" in done.stdout


def test_what_does_nothing_here_is_a_warning(make_suite):
    suite = make_suite()
    suite.set(max_use="5", biff="no")
    suite.write()
    done = suite.run("postrider", "-c", suite.etc, "check")
    lines = (suite.etc / "main.cf").read_text().splitlines()
    for text, words in (("max_use = 5", "has no effect here: one process serves many "
                          "clients at a time; replacement follows changes of files"),
                        ("biff = no", "does nothing in this version")):
        assert f"warning: main.cf:{lines.index(text) + 1}: {text}: {words}" \
            in done.stdout.splitlines()
    assert done.returncode == 0
    assert "smtpd_banner" not in done.stdout


def test_a_reload_with_a_fault_keeps_what_was(make_suite):
    suite = make_suite()
    suite.trouble_is_expected = True
    suite.start()
    suite.set(smtpd_delay_reject="perhaps")
    suite.write()
    done = suite.run("postrider", "-c", suite.etc, "reload", ok=False)
    assert done.returncode != 0
    assert "smtpd_delay_reject" in done.stderr
    suite.send("Subject: still here\n\n")
    suite.mailbox("alice").wait(1)


def test_a_broken_table_is_temporary_and_not_an_unknown_user(make_suite):
    suite = make_suite()
    suite.trouble_is_expected = True
    suite.start()
    (suite.etc / "vmailbox").write_text("")
    # An empty table knows nobody; one that cannot be read knows nothing.
    (suite.etc / "vmailbox").unlink()
    (suite.etc / "vmailbox").mkdir()
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@client.test>", 250)
        reply = wire.command("RCPT TO:<alice@example.test>")
        # Either it still has what it read, or it cannot find out.
        assert reply.code in (250, 451), str(reply)
