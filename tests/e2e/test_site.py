"""A configuration of the size that a site has, written for Postfix (tests/data/site)."""
import pathlib
import re

import suite as suites

SITE = pathlib.Path(__file__).resolve().parent.parent / "data" / "site"

# What a test's place and its user have to be; all else is the site's.
OWN = ("queue_directory", "data_directory", "daemon_directory",
       "command_directory", "mail_owner", "setgid_group", "maillog_file",
       "maillog_file_prefixes", "virtual_uid_maps", "virtual_gid_maps",
       "virtual_minimum_uid", "dns_servers", "sandbox")


def write_site(suite):
    suite.write()
    for path in SITE.iterdir():
        suite.replace(path.name,
                      path.read_text().replace("@DIR@", str(suite.dir)))
    main = suite.etc / "main.cf"
    own = {k: suite.params[k] for k in OWN if k in suite.params}
    # The tests' clients are strangers, who get in by the rules for strangers.
    own["mynetworks"] = "127.0.0.2/32"
    suite.replace("main.cf", main.read_text() + "".join(
        f"{k} = {v}\n" for k, v in own.items()))
    master = (suite.etc / "master.cf").read_text()
    host, port = suite.smtp
    master = re.sub(r"(?m)^smtp +inet", f"{host}:{port} inet", master)
    master = re.sub(r"(?m)^submission +inet",
                    f"{host}:{suite.port('submission')} inet", master)
    suite.replace("master.cf",
                  master + suite.services["broker"] + "\n")
    return suite


def start_site(suite):
    suite.domain = "example.net"
    suite.users = {"info": "example.net/info/", "ann": "example.org/ann/"}
    return write_site(suite).start(write=False)


def test_it_runs_unchanged(make_suite):
    suite = start_site(make_suite())
    suite.send("Subject: a\n\nhello", "info@example.net")
    suite.send("Subject: b\n\nhello", "all@lists.example.net")
    suite.send("Subject: c\n\nhello", "info-x@example.net")
    suite.wait_empty()
    assert sorted(m.header("Subject") for m in suite.mailbox("info").wait(3)) == [
        "a", "b", "c"]
    # ann's copy goes to info, too, by the catch-all of her domain; that is one mail.
    suites.wait_for("the log to say so", lambda: suite.log.text().count(
        "status=sent (delivered to maildir)") == 3)


def test_its_rules_hold(make_suite):
    suite = start_site(make_suite())
    with suite.session() as wire:
        wire.command("MAIL FROM:<spammer@example.com>", 250)
        wire.command("RCPT TO:<info@example.net>", 554)
        wire.command("RSET", 250)
        wire.command("MAIL FROM:<a@client.test>", 250)
        wire.command("RCPT TO:<list-owner@example.net>", 554)
        wire.command("RCPT TO:<x@elsewhere.test>", 554)
        wire.command("RCPT TO:<nobody@example.net>", 550)
        wire.command("RCPT TO:<info@example.net>", 250)
    with suite.session(helo="mail.example.com") as wire:
        wire.command("MAIL FROM:<a@client.test>", 250)
        wire.command("RCPT TO:<info@example.net>", 554)


def test_nothing_in_it_is_unused(make_suite):
    """Its own names are known by how they are used, as Postfix knows them."""
    suite = write_site(make_suite())
    out = suite.run("postconf", "-c", suite.etc, "-n")
    # What is the test's own stands there twice.
    assert [line for line in out.stderr.splitlines()
            if "overriding earlier entry" not in line] == []
