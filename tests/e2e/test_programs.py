"""Programs that people have: mbsync, neomutt, getmail, curl."""
import os
import re
import shutil
import subprocess

import pytest

from mailboxes import (PASSWORD, address, flags, ok, selected,
                       suite_with_mailboxes)
from suite import MAIL_UID, PATIENCE, is_root, wait_for


@pytest.fixture
def mail(make_suite):
    suite = suite_with_mailboxes(make_suite).start()
    for n in range(1, 4):
        suite.send(f"From: bob@example.test\r\nSubject: number {n}\r\n"
                   f"Message-ID: <{n}@x>\r\n\r\nbody {n}\r\n")
        suite.mailbox("alice").wait(n)
    return suite


def program(name):
    """It has to be there: scripts/install-needed sees to that."""
    assert shutil.which(name), f"{name} is not installed"
    return name


def run(suite, *words, stdin=b"", status=0, **more):
    home = suite.dir / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(w) for w in words], input=stdin, capture_output=True,
        timeout=PATIENCE * 2, check=False, cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"],
             "LC_ALL": "C.UTF-8", "TERM": "dumb", "USER": "alice"}, **more)
    assert done.returncode == status, (done.stdout + done.stderr).decode()
    return done.stdout.decode("latin-1")


def mbsyncrc(suite, local):
    return f"""\
IMAPAccount a
Host {suite.addr}
Port {suite.port("imaps")}
User {address(suite, "alice")}
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {suite.etc}/cert.pem
AuthMechs PLAIN

IMAPStore far
Account a

MaildirStore near
Path {local}/
Inbox {local}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""


def test_mbsync_both_ways_with_flags(mail):
    program("mbsync")
    local = mail.dir / "local"
    local.mkdir()
    rc = mail.dir / "mbsyncrc"
    rc.write_text(mbsyncrc(mail, local))

    def sync():
        run(mail, "mbsync", "-c", rc, "-a")

    sync()
    inbox = local / "INBOX"
    names = sorted(p.name for p in [*(inbox / "new").iterdir(),
                                    *(inbox / "cur").iterdir()])
    assert len(names) == 3
    # There: a flag. Here: a flag, a new message, one less.
    with selected(mail) as session:
        ok(session.store("1", "+FLAGS", "(\\Flagged)"))
    files = {}
    for folder in ("new", "cur"):
        for path in (inbox / folder).iterdir():
            number = re.search(rb"Subject: number (\d)", path.read_bytes())[1]
            files[int(number)] = path
    files[2].rename(inbox / "cur" / (files[2].name.split(":")[0] + ":2,RS"))
    files[3].rename(inbox / "cur" / (files[3].name.split(":")[0] + ":2,T"))
    (inbox / "cur" / "1700000001.new.host:2,S").write_bytes(
        b"From: a@b.test\nSubject: from here\n\nlocal\n")
    sync()
    with selected(mail) as session:
        assert ok(session.search(None, "ALL")) == [b"1 2 3"]
        assert flags(session, 1) >= {"\\Flagged"}
        assert flags(session, 2) >= {"\\Answered", "\\Seen"}
        assert ok(session.search(None, "SUBJECT", '"from here"')) == [b"3"]
    assert any("F" in p.name.split(",")[-1]
               for p in (inbox / "cur").iterdir()
               if b"number 1" in p.read_bytes())
    sync()


def test_neomutt_in_batch(mail):
    program("neomutt")
    rc = mail.dir / "muttrc"
    rc.write_text(f"""\
set folder = "imaps://{address(mail, "alice").replace("@", "%40")}@{mail.addr}:{mail.port("imaps")}/"
set imap_pass = "{PASSWORD}"
set ssl_verify_host = no
set ssl_verify_dates = no
set ssl_ca_certificates_file = "{mail.etc}/cert.pem"
set certificate_file = "{mail.etc}/cert.pem"
set spoolfile = "+INBOX"
set mbox_type = Maildir
set quit = yes
set delete = yes
set confirmappend = no
set confirmcreate = no
set move = no
set header_cache =
push "<tag-pattern>~s 'number 2'<enter><tag-prefix><copy-message>=Copied<enter><delete-pattern>~s 'number 1'<enter><quit>"
""")
    subprocess.run(["script", "-qec", f"neomutt -F {rc}", "/dev/null"],
                   capture_output=True, timeout=PATIENCE * 2, check=False,
                   stdin=subprocess.DEVNULL,
                   env={"HOME": str(mail.dir), "PATH": os.environ["PATH"],
                        "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    with selected(mail) as session:
        assert len(ok(session.search(None, "ALL"))[0].split()) == 2
    with selected(mail, mailbox="Copied") as session:
        assert ok(session.search(None, "SUBJECT", '"number 2"')) == [b"1"]


def test_getmail_takes_what_is_new(mail):
    program("getmail")
    for kind, port in (("SimplePOP3SSLRetriever", mail.port("pop3s")),
                       ("SimpleIMAPSSLRetriever", mail.port("imaps"))):
        box = mail.dir / kind
        for folder in ("new", "cur", "tmp"):
            (box / folder).mkdir(parents=True)
        where = mail.dir / f"getmail-{kind}"
        where.mkdir()
        extra = "mailboxes = (\"INBOX\",)\n" if "IMAP" in kind else ""
        (where / "getmailrc").write_text(f"""\
[retriever]
type = {kind}
server = {mail.addr}
port = {port}
username = {address(mail, "alice")}
password = {PASSWORD}
{extra}
[destination]
type = Maildir
path = {box}/
[options]
read_all = false
delivered_to = false
received = false
verbose = 1
""")
        as_user = {}
        if is_root():  # getmail does not deliver as root
            subprocess.run(["chown", "-R", f"{MAIL_UID}:{MAIL_UID}", box,
                            where], check=True)
            as_user = {"user": MAIL_UID, "group": MAIL_UID,
                       "extra_groups": []}
        run(mail, "getmail", "--getmaildir", where, **as_user)
        assert len(list((box / "new").iterdir())) == 3
        run(mail, "getmail", "--getmaildir", where, **as_user)
        assert len(list((box / "new").iterdir())) == 3


def test_curl(mail):
    login = ["-sk", "--user", f"{address(mail, 'alice')}:{PASSWORD}"]
    imap = f"imaps://{mail.addr}:{mail.port('imaps')}"
    pop = f"pop3s://{mail.addr}:{mail.port('pop3s')}"
    assert "INBOX" in run(mail, "curl", *login, imap)
    assert "body 2" in run(mail, "curl", *login, f"{imap}/INBOX;MAILINDEX=2")
    assert "number 3" in run(mail, "curl", *login,
                             f"{imap}/INBOX;UID=3;SECTION=HEADER")
    assert "SEARCH 1" in run(mail, "curl", *login,
                             f"{imap}/INBOX?SUBJECT%20%22number%201%22")
    draft = mail.dir / "draft"
    draft.write_bytes(b"Subject: by curl\r\n\r\nx\r\n")
    run(mail, "curl", *login, "-T", draft, f"{imap}/Drafts")
    with selected(mail, mailbox="Drafts") as session:
        assert ok(session.search(None, "SUBJECT", "curl")) == [b"1"]
    assert run(mail, "curl", *login, f"{pop}/").count("\n") == 3
    assert "body 1" in run(mail, "curl", *login, f"{pop}/1")
    run(mail, "curl", *login, "-X", "DELE", "-I", f"{pop}/3")
    wait_for("its end", lambda: len(mail.mailbox("alice").paths()) == 2)
