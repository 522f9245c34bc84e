"""Every line about mail has the form that tools have read for decades."""
import re

from suite import TOP, wait_for

PARTS = {
    "CLIENT": r"\S+\[[0-9a-f.:]+\]",
    "ID": r"[0-9A-F]{6,}",
    "ADDRESS": r"<[^<>]*>",
    "DELAY": r"\d+(\.\d{1,2})?",
}
SERVICES = ("smtpd", "cleanup", "qmgr", "virtual")


def golden():
    """(service, expression) of each form."""
    forms = []
    for line in (TOP / "tests/data/log-lines.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            service, form = line.split("\t")
            for name, pattern in PARTS.items():
                form = re.sub(rf"(?<![A-Z-]){name}(?![A-Z-])",
                              lambda _, p=pattern: p, form)
            forms.append((service, re.compile(form)))
    return forms


def events(suite):
    """One of each kind that can happen to mail today."""
    suite.send("Message-ID: <one@client.test>\n\nx\n", to=["alice", "bob"])
    suite.send("Subject: no id\n\n", sender="")
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@client.test>", 250)
        wire.command("RCPT TO:<nobody@example.test>", 550)
        wire.command("RCPT TO:<x@foreign.test>", 554)
        wire.command("MAIL FROM:<bob bob>")
        wire.command("QUIT", 221)
    with suite.session() as wire:
        wire.command("RCPT TO:<a b>")
        wire.command("MAIL FROM:<a b>", 501)
    with suite.wire() as wire:
        wire.expect(220)
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        wire.expect(221)
        wire.eof()
    with suite.session() as wire:
        for _ in range(5):
            wire.command("WHAT", 500)
        wire.expect(421)
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@client.test>", 250)
        wire.command("RCPT TO:<alice@example.test>", 250)
        wire.command("DATA", 354)
        wire.send(b"half a mess")
    with suite.session() as wire:
        wire.command("NOOP", 250)
        suite.clock("+301s")
        wire.expect(421, "4.4.2")


def test_every_line_has_its_form(make_suite):
    suite = make_suite(smtpd_soft_error_limit="4",
                       smtpd_hard_error_limit="5").start()
    events(suite)
    suite.mailbox("alice").wait(2)
    suite.wait_empty()
    place = suite.mail / "example.test/bob"
    place.rename(suite.mail / "aside")
    place.touch()
    suite.send("Subject: to be deferred\n\n", to="bob")
    suite.log.wait("status=deferred", "virtual")
    for kind, service in (("timeout after", "smtpd"), ("removed", "qmgr"),
                          ("too many errors", "smtpd"),
                          ("lost connection after DATA", "smtpd"),
                          ("non-SMTP command", "smtpd")):
        suite.log.wait(kind, service)
    forms = golden()
    strange = [(tag, text) for tag, _, text in suite.log.lines()
               if tag.split("/")[-1] in SERVICES and not any(
                   service == tag.split("/")[-1] and form.fullmatch(text)
                   for service, form in forms)]
    assert not strange


def test_lines_have_time_host_tag_and_pid(suite):
    suite.send("Subject: x\n\n")
    suite.log.wait("removed", "qmgr")
    for line in suite.log.text().splitlines():
        assert re.fullmatch(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ "
                            r"postrider/[a-z0-9/-]+\[\d+\]: .+", line), line


def test_syslog_name_is_the_tags_first_word(make_suite):
    suite = make_suite(syslog_name="postfix").start()
    suite.send("Subject: x\n\n")
    suite.log.wait("removed", "postfix/qmgr")


def test_a_client_cannot_forge_a_line(suite):
    with suite.session() as wire:
        wire.send(b"MAIL FROM:<bob@client.test>\r\n"
                  b"RCPT TO:<a\x0b\x1b[1m\x01\x7f\xff@example.test>\r\n"
                  b"EHLO a\x1bb\rc\r\n"
                  b"\x01\x02fake: removed\r\n")
        for _ in range(4):
            wire.reply()
    suite.log.wait("^disconnect", "smtpd")
    assert re.fullmatch(r"[\n\x20-\x7e]*", suite.log.text())


def test_the_log_may_be_moved_aside(suite):
    """What logrotate does: rename, reload, and go on in a new file."""
    suite.send("Subject: x\n\n")
    suite.log.wait("removed")
    suite.log.path.rename(suite.log.path.with_suffix(".1"))
    suite.run("postrider", "-c", suite.etc, "reload")
    wait_for("a new file", suite.log.path.exists)
    suite.send("Subject: y\n\n")
    suite.log.wait("removed")
