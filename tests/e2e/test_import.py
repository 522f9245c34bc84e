"""postrider import: what Postfix and Dovecot said becomes ours."""
import imaplib
import os
import pathlib
import re
import shutil
import smtplib
import ssl
import subprocess

import pytest

import suite as suites
from suite import is_root
from test_site import OWN, SITE

DEBIAN = pathlib.Path("/usr/share/postfix")
DOVECOT = pathlib.Path("/usr/share/dovecot")
PASSWORD = "secret word"


def snapshot(directory):
    """All that somebody could have changed."""
    return {p: (p.lstat().st_mode, p.lstat().st_mtime_ns, p.lstat().st_uid,
                p.read_bytes() if p.is_file() else None)
            for p in sorted(directory.rglob("*")) if not p.is_symlink()}


def run_import(suite, *args, ok=True):
    return suite.run("postrider", "import", *args, ok=ok)


def sections(report):
    """{"Taken over": [lines], ...}"""
    found = {}
    for line in report.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            lines = found.setdefault(line[:-1], [])
        elif line.startswith("  "):
            lines.append(line[2:])
    return found


def told(report, section, *words):
    some = [line for line in sections(report)[section]
            if all(w in line for w in words)]
    assert some, (section, words, report)
    return some


def debian_postfix(directory):
    """As the package's postinst makes it."""
    directory.mkdir()
    (directory / "main.cf").write_text(
        (DEBIAN / "main.cf.debian").read_text()
        + (DEBIAN / "main.cf.tls").read_text())
    shutil.copy(DEBIAN / "master.cf.dist", directory / "master.cf")
    shutil.copy(DEBIAN / "dynamicmaps.cf", directory)
    return directory


def get(suite, *names, etc=None):
    out = suite.run("postconf", "-c", etc or suite.etc, "-x", "-h", *names).stdout
    return out.splitlines()


@pytest.fixture
def place(make_suite):
    """A suite whose directory of configuration is to be imported."""
    suite = make_suite()
    suite.etc.rmdir()
    return suite


def adopt(suite):
    """What is the test's own: places, users, where names are asked for."""
    own = {k: suite.params[k] for k in OWN if k in suite.params}
    own |= {"meta_directory": suite.params["meta_directory"],
            "smtpd_client_connection_count_limit": 0}
    if is_root():
        own |= {"auth_owner": "postrider-auth", "login_owner": "postrider-login"}
    main = suite.etc / "main.cf"
    main.write_text(main.read_text() + "\n" + "".join(
        f"{k} = {v}\n" for k, v in own.items() if "_maps" not in k))
    master = suite.etc / "master.cf"
    host, port = suite.smtp
    master.write_text(re.sub(r"(?m)^smtp +inet", f"{host}:{port} inet",
                             re.sub(r"(?m)^submission +inet",
                                    f"{host}:{suite.port('submission')} inet",
                                    master.read_text())))
    suite.run("postrider", "-c", suite.etc, "set-permissions")
    return suite


def check(suite):
    done = suite.run("postrider", "-c", suite.etc, "check", ok=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


# Debian's defaults.

def test_debians_directory(place):
    source = debian_postfix(place.dir / "postfix")
    before = snapshot(source)
    report = run_import(place, source, "--to", place.etc).stdout
    assert snapshot(source) == before
    assert (place.etc / "import-report").read_text() == report
    told(report, "Taken over", "main.cf:13: append_dot_mydomain")
    told(report, "Taken over", "service smtp/inet")
    told(report, "Taken over", "service tlsmgr/unix: is part of")
    told(report, "Taken over", "added the service broker/unix")
    told(report, "Has no effect", "main.cf:18: readme_directory",
         "Postfix's own")
    told(report, "Needs a decision", "service uucp: pipe is not part")
    # What is said in comments stays.
    assert "# appending .domain is the MUA's job." in \
        (place.etc / "main.cf").read_text()
    assert "\n#readme_directory = no\n" in (place.etc / "main.cf").read_text()
    assert not (place.etc / "dynamicmaps.cf").exists()
    # Postfix's default, where there is such a table.
    assert get(place, "alias_maps") == [
        "hash:/etc/aliases" if os.path.exists("/etc/aliases.db") else ""]
    assert ("alias_maps = hash:/etc/aliases, which was" in report) == \
        os.path.exists("/etc/aliases.db")


def test_debians_dovecot(place):
    source = debian_postfix(place.dir / "postfix")
    before = snapshot(DOVECOT)
    report = run_import(place, source, DOVECOT, "--to", place.etc).stdout
    assert snapshot(DOVECOT) == before
    told(report, "Needs a decision", "10-mail.conf", "mbox:~/mail", "converted")
    told(report, "Needs a decision", "passdb pam")
    told(report, "Taken over", "mail_special_folders = Drafts")
    told(report, "Taken over", "added the service imaps/inet")
    assert "pop3 inet" not in (place.etc / "master.cf").read_text()
    assert get(place, "imapd_tls_cert_file", "imapd_tls_key_file",
               "imapd_tls_security_level", "pop3d_uidl_format",
               "mail_special_folders") == [
        "/etc/dovecot/private/dovecot.pem", "/etc/dovecot/private/dovecot.key",
        "may", "%08Xu%08Xv",
        r"Drafts=\Drafts Junk=\Junk Trash=\Trash Sent=\Sent"]


def test_debians_directory_starts(place):
    run_import(place, debian_postfix(place.dir / "postfix"), DOVECOT, "--to",
               place.etc)
    main, master = place.etc / "main.cf", place.etc / "master.cf"
    cert = suites.make_certificate(place.dir / "cert.pem", "mail.example.test")
    main.write_text(re.sub(r"/etc/(ssl/\S+snakeoil|dovecot/private)\S+",
                           str(cert), main.read_text()))
    master.write_text(re.sub(
        r"(?m)^(imaps?) inet",
        lambda m: f"{place.addr}:{place.port(m[1])} inet", master.read_text()))
    adopt(place)
    main.write_text(main.read_text() + "alias_maps =\nalias_database =\n")
    check(place)
    place.start(write=False)
    with place.session() as wire:
        wire.command("MAIL FROM:<a@client.test>", 250)
        # mynetworks is what Debian's default says, and we are in it.
        wire.command("RCPT TO:<b@elsewhere.test>", 250)
    context = ssl.create_default_context(cafile=cert)
    context.check_hostname = False
    with imaplib.IMAP4_SSL(place.addr, place.port("imaps"),
                           ssl_context=context, timeout=30) as imap:
        with pytest.raises(imaplib.IMAP4.error):  # nobody has a password yet
            imap.login("alice", PASSWORD)


# A site.

def test_a_site_runs_as_it_did(place):
    source = place.dir / "postfix"
    source.mkdir()
    for path in SITE.iterdir():
        (source / path.name).write_text(
            path.read_text().replace("@DIR@/etc", str(source))
            .replace("@DIR@", str(place.dir)))
    (source / "customers").chmod(0o640)
    before = snapshot(source)
    report = run_import(place, source, "--to", place.etc).stdout
    assert snapshot(source) == before
    for path in SITE.iterdir():
        if path.suffix != ".cf":
            copy = place.etc / path.name
            assert copy.read_bytes() == (source / path.name).read_bytes()
            assert copy.stat().st_mode == (source / path.name).stat().st_mode
            told(report, "Taken over", f"{path.name}: copied")
    assert str(source) not in (place.etc / "main.cf").read_text().split(
        "\n", 1)[1]
    told(report, "Taken over", "smtpd_restriction_classes")
    told(report, "Taken over", "customers")
    adopt(place)
    main = place.etc / "main.cf"
    uid = place.params["virtual_uid_maps"]
    main.write_text(main.read_text() + "mynetworks = 127.0.0.2/32\n"
                    f"virtual_uid_maps = {uid}\nvirtual_gid_maps = {uid}\n")
    # The source may go.
    shutil.rmtree(source)
    check(place)
    place.domain = "example.net"
    place.users = {"info": "example.net/info/"}
    place.start(write=False)
    place.send("Subject: a\n\nhello", "info@example.net")
    place.wait_empty()
    place.mailbox("info").wait(1)
    with place.session() as wire:
        wire.command("MAIL FROM:<spammer@example.com>", 250)
        wire.command("RCPT TO:<info@example.net>", 554)


# Users who log in.

def crypt_of(password):
    return subprocess.run(["openssl", "passwd", "-6", "-stdin"],
                          input=password.encode(), check=True,
                          capture_output=True).stdout.decode().strip()


def mail_server(place):
    """Postfix that hands its mail to Dovecot."""
    source = place.dir / "postfix"
    source.mkdir()
    (source / "main.cf").write_text(f"""\
compatibility_level = 3.6
myhostname = mail.example.test
mydestination =
mynetworks = 127.0.0.2/32
inet_interfaces = {place.addr}
queue_directory = /var/spool/postfix
daemon_directory = /usr/lib/postfix/sbin
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_tls_auth_only = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
virtual_mailbox_domains = example.test
virtual_transport = lmtp:unix:private/dovecot-lmtp
virtual_minimum_uid = 1
""")
    shutil.copy(DEBIAN / "master.cf.dist", source / "master.cf")
    return source


def dovecot_23(place, uid):
    top = place.dir / "dovecot"
    (top / "conf.d").mkdir(parents=True)
    (top / "dovecot.conf").write_text(f"""\
protocols = imap pop3 lmtp
listen = {place.addr}
!include conf.d/*.conf
!include_try nothing.conf
""")
    (top / "conf.d/10-all.conf").write_text(f"""\
disable_plaintext_auth = no
ssl = no
mail_location = maildir:~/Maildir:INDEX=/var/index/%u
mail_max_userip_connections = 7 # of one address
first_valid_uid = {min(uid, 100) or 1}
auth_mechanisms = plain login cram-md5
passdb {{
  driver = passwd-file
  args = scheme=CRYPT \\
    username_format=%u /etc/dovecot/the-users-of-this-copy
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={place.mail}/%d/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {place.port("imap")}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener /var/spool/postfix/private/dovecot-lmtp {{
    mode = 0600
  }}
}}
namespace inbox {{
  separator = .
  inbox = yes
  mailbox Papierkorb {{
    auto = create
    special_use = \\Trash
  }}
}}
plugin {{
  quota = maildir:User quota
}}
""")
    return top


def write_users(path):
    hash = crypt_of(PASSWORD)
    path.write_text(f"""\
# all of them
alice@example.test:{hash}::::::
bob@example.test:{{SHA512-CRYPT}}{hash}::::::
carl@example.test:{{NTLM}}00000000000000000000000000000000::::::
dora@example.test:{hash}::::::allow_nets=192.0.2.0/24
""")
    path.chmod(0o600)


def start_imported(place, uid):
    adopt(place)
    if not is_root():
        return
    (place.etc / "main.cf").write_text(
        (place.etc / "main.cf").read_text() + "virtual_minimum_uid = 100\n")


def log_in_and_read(place):
    place.users = {"alice": "example.test/alice/Maildir/"}
    with smtplib.SMTP(*place.smtp, local_hostname="client.test") as smtp:
        smtp.login("alice@example.test", PASSWORD)
    place.send("Subject: welcome\n\nhello", "alice@example.test")
    place.wait_empty()
    place.mailbox("alice").wait(1)
    with imaplib.IMAP4(place.addr, place.port("imap"), timeout=30) as imap:
        imap.login("alice@example.test", PASSWORD)
        assert imap.select()[1] == [b"1"]
        assert b"welcome" in imap.fetch("1", "(BODY[])")[1][0][1]
        folders = b"\n".join(imap.list()[1])
    with imaplib.IMAP4(place.addr, place.port("imap"), timeout=30) as imap:
        with pytest.raises(imaplib.IMAP4.error):
            imap.login("alice@example.test", "wrong")
    return folders


def test_users_of_dovecot_2_3_read_their_mail(place):
    uid = suites.MAIL_UID if is_root() else os.getuid()
    source, dovecot = mail_server(place), dovecot_23(place, uid)
    write_users(dovecot / "the-users-of-this-copy")
    before = snapshot(place.dir)
    report = run_import(place, source, dovecot, "--to", place.etc).stdout
    after = snapshot(place.dir)
    assert {p: v for p, v in after.items() if p in before} == before
    told(report, "Needs a decision", "carl@example.test is left out", "scheme")
    told(report, "Needs a decision", "dora@example.test is left out",
         "allow_nets")
    told(report, "Needs a decision", "auth_mechanisms", "PLAIN and LOGIN")
    told(report, "Needs a decision", "quota = maildir:User quota")
    told(report, "Taken over", "userdb static: is in mail_location")
    told(report, "Has no effect", "main.cf:6: queue_directory")
    told(report, "Has no effect", "main.cf:8: smtpd_sasl_type", "authd")
    told(report, "Taken over", "added the service dovecot-lmtp/unix (lmtpd)")
    users = place.etc / "users"
    assert "alice" in users.read_text() and "carl" not in users.read_text()
    assert users.stat().st_mode & 0o777 == 0o640
    assert get(place, "mail_location", "mail_max_userip_connections",
               "imapd_tls_auth_only", "virtual_uid_maps",
               "mail_special_folders") == [
        f"maildir:{place.mail}/%d/%n/Maildir", "7", "no", f"static:{uid}",
        r"Papierkorb=\Trash"]
    start_imported(place, uid)
    check(place)
    place.start(write=False)
    assert rb'\Trash' in log_in_and_read(place)


def test_users_of_dovecot_2_4_read_their_mail(place):
    uid = suites.MAIL_UID if is_root() else os.getuid()
    source = mail_server(place)
    users = place.dir / "passwd"
    write_users(users)
    conf = place.dir / "dovecot.conf"
    conf.write_text(f"""\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {{
  imap = yes
  lmtp = yes
}}
listen = {place.addr}
ssl = no
auth_allow_cleartext = yes
first_valid_uid = {min(uid, 100) or 1}
mail_driver = maildir
mail_home = {place.mail}/%{{user | domain | lower}}/%{{user|username}}
mail_path = ~/Maildir
mail_uid = {uid}
mail_gid = {uid}
passdb passwd-file {{
  passwd_file_path = {users}
}}
userdb static {{
  fields {{
    home = {place.mail}/%{{user | domain}}/%{{user | username}}
  }}
}}
namespace inbox {{
  inbox = yes
  mailbox Junk {{ special_use = "\\\\Junk" }}
}}
service imap-login {{
  inet_listener imap {{ port = {place.port("imap")} }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener /var/spool/postfix/private/dovecot-lmtp {{
  }}
}}
ssl_server {{
  cert_file = /etc/dovecot/cert.pem
  key_file = /etc/dovecot/key.pem
}}
""")
    report = run_import(place, source, conf, "--to", place.etc).stdout
    assert get(place, "mail_location", "virtual_gid_maps",
               "imapd_tls_cert_file", "pop3d_tls_key_file",
               "imapd_tls_auth_only", "mail_special_folders") == [
        f"maildir:{place.mail}/%d/%n/Maildir", f"static:{uid}",
        "/etc/dovecot/cert.pem", "/etc/dovecot/key.pem", "no",
        r"Junk=\Junk"]
    told(report, "Taken over", "passdb passwd-file")
    told(report, "Taken over", f"virtual_uid_maps = static:{uid}")
    main = place.etc / "main.cf"
    main.write_text(re.sub(r"(?m)^(imap|pop3)d_tls_(cert|key)_file.*\n", "",
                           main.read_text()))
    start_imported(place, uid)
    check(place)
    place.start(write=False)
    log_in_and_read(place)


# SQL.

@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_a_query_becomes_that_of_a_table(place, version):
    source = debian_postfix(place.dir / "postfix")
    dovecot = place.dir / "dovecot"
    dovecot.mkdir()
    if version == "2.3":
        (dovecot / "dovecot.conf").write_text(
            "passdb {\n driver = sql\n args = /etc/dovecot/sql.ext\n}\n"
            "userdb {\n driver = sql\n args = x\n}\n")
        (dovecot / "sql.ext").write_text(
            "driver = pgsql\nconnect = host=/run/pg host=db.test port=5433 "
            "dbname=mail user=m password=p#w\n"
            "password_query = SELECT CONCAT(a, ',', b) AS user, \\\n"
            "  pw AS password FROM users WHERE n = '%n' AND d = '%Ld' \\\n"
            "  AND u = '%u'\n")
        where = ["unix:/run/pg db.test:5433", "p#w"]
    else:
        (dovecot / "dovecot.conf").write_text(
            "sql_driver = pgsql\npgsql /run/pg {\n  parameters {\n"
            "    user = m\n    password = p\n    dbname = mail\n  }\n}\n"
            "passdb sql {\n  query = SELECT x AS user, pw AS password "
            "FROM users WHERE n = '%{user | username}' AND "
            "d = '%{user|domain}' AND u = '%{user}'\n}\n")
        where = ["unix:/run/pg", "p"]
    report = run_import(place, source, dovecot, "--to", place.etc).stdout
    table = place.etc / "users.cf"
    values = dict(re.findall(r"(\w+) = *(.*)", table.read_text()))
    assert re.sub(r"\s+", " ", values["query"]) == (
        "SELECT pw AS password FROM users WHERE n = '%u' AND d = '%d' AND "
        "u = '%s'")
    assert [values["hosts"], values["password"]] == where
    assert values["dbname"] == "mail" and values["user"] == "m"
    assert table.stat().st_mode & 0o777 == 0o640
    assert get(place, "auth_user_maps") == [f"pgsql:{table}"]
    told(report, "Taken over", "passdb sql")


def test_a_query_that_is_not_understood(place):
    dovecot = place.dir / "dovecot"
    dovecot.mkdir()
    (dovecot / "dovecot.conf").write_text(
        "sql_driver = pgsql\npassdb sql {\n"
        "  query = SELECT password FROM f('%{remote_ip}')\n}\n")
    report = run_import(place, debian_postfix(place.dir / "postfix"), dovecot,
                        "--to", place.etc).stdout
    told(report, "Needs a decision", "the query cannot be taken over")
    assert get(place, "auth_user_maps") == [""]


# What Postfix has and ours has not.

def test_postscreen_and_strangers(place):
    source = debian_postfix(place.dir / "postfix")
    (source / "main.cf").write_text(
        "mail_owner = postfix\nmax_idle = 5\nnosuch = 1\nmine = x\n"
        "smtpd_banner = $mine\nmailbox_command = /usr/lib/dovecot/deliver\n"
        "virtual_transport = dovecot\n"
        "transport_maps = hash:/etc/postfix/transport\n"
        f"canonical_maps = hash:/etc/postfix/gone, texthash:{source}/c\n"
        "  # said of it\n  regexp:/etc/postfix/r\n")
    for name in ("transport.db", "c", "r"):
        (source / name).write_text("")
    (source / "master.cf").write_text("""\
smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       y       -       -       smtpd
  # its own
  -o smtpd_banner=hello
dnsblog   unix  -       -       y       -       0       dnsblog
dovecot   unix  -       n       n       -       -       pipe
  flags=DRhu user=vmail:vmail argv=/usr/lib/dovecot/deliver -d ${recipient}
special   unix  -       n       n       -       -       mydaemon
""")
    report = run_import(place, source, "--to", place.etc).stdout
    main, master = ((place.etc / n).read_text()
                    for n in ("main.cf", "master.cf"))
    told(report, "Has no effect", "main.cf:2: max_idle: one process serves")
    told(report, "Has no effect", "main.cf:3: nosuch: nothing knows")
    told(report, "Taken over", "main.cf:4: mine")
    told(report, "Needs a decision", "mailbox_command", "delivery program")
    told(report, "Needs a decision", "virtual_transport", "delivery program")
    told(report, "Needs a decision", "compatibility_level was not set")
    assert "\n#mailbox_command" in main and "\n#virtual_transport" in main
    assert "\ncompatibility_level = 0\n" in main
    assert f"transport_maps = hash:{place.etc}/transport\n" in main
    assert (f"canonical_maps = hash:/etc/postfix/gone, texthash:{place.etc}/c\n"
            f"  # said of it\n  regexp:{place.etc}/r\n") in main
    told(report, "Taken over", "smtpd/pass is smtp/inet")
    told(report, "Needs a decision", "postscreen is not part")
    told(report, "Needs a decision", "no program mydaemon")
    assert re.search(r"(?m)^smtp +inet +n .* smtpd\n +-o smtpd_banner=hello$",
                     master)
    for name in ("smtp      inet", "smtpd     pass", "dnsblog", "dovecot",
                 "  flags=DRhu", "special"):
        assert f"\n#{name}" in "\n" + master, name


def test_what_is_told_of_the_rest(place):
    source = debian_postfix(place.dir / "postfix")
    (source / "main.cf").write_text(
        "compatibility_level = 3.6\nbiff = no\nimapd_banner = mine\n"
        "virtual_transport = lmtp:unix:private/dovecot-lmtp\n"
        "smtpd_sasl_auth_enable = yes\nrecipient_delimiter = +\n")
    (source / "master.cf").write_text(
        "dovecot unix - n n - - pipe argv=/usr/lib/dovecot/dovecot-lda\n")
    (source / "gone").symlink_to("/nonexistent/x")
    os.mkfifo(source / "fifo")
    conf = place.dir / "dovecot.conf"
    conf.write_text("""\
protocols = imap pop3 lmtp sieve
ssl = required
!include nothing-here.conf
login_greeting = hello $you
recipient_delimiter = -
ssl_min_protocol = ANY
pop3_uidl_format = %g
mail_location = maildir:/var/mail/%u:LAYOUT=fs
mail_uid = no-such-user
log_path = /var/log/dovecot
imap_metadata = yes
protocol imap {
  mail_max_userip_connections = 3
}
protocol pop3 {
  mail_max_userip_connections = 4
}
service lmtp {
  unix_listener lmtp {
  }
  inet_listener lmtp {
    port = 2424
  }
}
passdb {
  driver = ldap
  args = /x
}
passdb {
  driver = passwd-file
  deny = yes
  args = /x
}
passdb {
  driver = passwd-file
  args = /nonexistent/users
}
passdb {
  driver = passwd-file
  args = /var/%d/users
}
userdb {
  driver = ldap
}
userdb {
  driver = passwd
}
userdb {
  driver = prefetch
}
""")
    report = run_import(place, source, conf, "--to", place.etc).stdout
    decide, idle, taken = "Needs a decision", "Has no effect", "Taken over"
    for words in (
            ["gone: cannot be read"], ["biff: does nothing in this version"],
            ["private/dovecot-lmtp: is a socket of Dovecot's"],
            ["nobody can log in"], ["!include nothing-here.conf"],
            ["recipient_delimiter = -", "main.cf has another"],
            ["pop3_uidl_format = %g"], ["LAYOUT=fs", "behind the path"],
            ["imap_metadata = yes: nothing here does the same"],
            ["dovecot.conf:16", "one for all protocols"],
            ["imaps: is left out, as there is no certificate"],
            ["protocols: sieve is not part"], ["passdb ldap: authd has no"],
            ["passdb passwd-file: there are no tables of those who may not"],
            ["passdb passwd-file: ", "/nonexistent/users"],
            ["passdb passwd-file: it is one file for all"],
            ["userdb ldap: what it says of users"]):
        told(report, decide, *words)
    if is_root():
        told(report, decide, "virtual_uid_maps: there is no user no-such-user")
    for words in (["fifo: is no file"], ["ssl_min_protocol = ANY"],
                  ["log_path"], ["the socket lmtp is Dovecot's own"],
                  ["userdb passwd: local knows"],
                  ["service dovecot: deliveries are virtual's here"]):
        told(report, idle, *words)
    for words in (["main.cf:3: imapd_banner: is hello $you now"],
                  ["login_greeting = hello $you: pop3d_banner = hello $you"],
                  ["userdb prefetch: what is said of a user"],
                  ["mail_max_userip_connections = 3: mail_max_userip"]):
        told(report, taken, *words)
    assert get(place, "mail_max_userip_connections", "mail_location",
               "imapd_banner") == [
        "3", "maildir:/var/mail/%u", "hello $you"]
    master = (place.etc / "master.cf").read_text()
    assert "\n127.0.0.1:2424 inet n - y - 2000 lmtpd\n" in master
    assert "\npop3 inet" in master and "imaps" not in master
    assert not (place.etc / "fifo").exists()


def test_a_certificate_alone_lets_tls_be(place):
    conf = place.dir / "dovecot.conf"
    conf.write_text("protocols = imap\nssl_cert = </x.pem\nssl_key = </x.key\n"
                    "ssl_min_protocol = TLSv1.3\n")
    report = run_import(place, debian_postfix(place.dir / "postfix"), conf,
                        "--to", place.etc).stdout
    assert get(place, "imapd_tls_security_level", "imapd_tls_cert_file",
               "imapd_tls_protocols") == ["may", "/x.pem", ">=TLSv1.3"]
    told(report, "Taken over", "added the service imaps/inet")
    assert "\nimaps inet n - y - 2000 imapd\n\t-o " \
        "imapd_tls_wrappermode=yes\n" in (place.etc / "master.cf").read_text()


def test_names_without_a_domain_are_told_of(place):
    conf = place.dir / "dovecot.conf"
    users = place.dir / "users"
    users.write_text(f"alice:{crypt_of(PASSWORD)}:1000:1001::/home/a::\n")
    conf.write_text("protocols = imap\npassdb {\n driver = passwd-file\n"
                    f" args = username_format=%n {users}\n}}\n")
    report = run_import(place, debian_postfix(place.dir / "postfix"), conf,
                        "--to", place.etc).stdout
    told(report, "Needs a decision", "username_format=%n")
    assert "uid=1000 gid=1001 home=/home/a\n" in (
        place.etc / "users").read_text()


# What is there already.

def test_what_is_there_is_not_replaced(place):
    source = debian_postfix(place.dir / "postfix")
    run_import(place, source, "--to", place.etc)
    (place.etc / "main.cf").write_text("mine = yes\n")
    done = run_import(place, source, "--to", place.etc, ok=False)
    assert done.returncode == 1 and "--force" in done.stderr
    assert (place.etc / "main.cf").read_text() == "mine = yes\n"
    run_import(place, source, "--to", place.etc, "--force")
    assert "mine" not in (place.etc / "main.cf").read_text()


def test_it_is_not_taken_to_where_it_is(place):
    source = debian_postfix(place.dir / "postfix")
    before = snapshot(source)
    done = run_import(place, source, "--to", source, "--force", ok=False)
    assert done.returncode == 1 and "another" in done.stderr
    assert snapshot(source) == before


@pytest.mark.parametrize("args,word", [
    ([], "POSTFIX-DIR"), (["/nonexistent"], "/nonexistent"),
    (["a", "b", "c"], "POSTFIX-DIR"), (["--nosuch", "a"], "POSTFIX-DIR"),
])
def test_what_cannot_be(place, args, word):
    done = run_import(place, *args, "--to", place.etc, ok=False)
    assert done.returncode == 1 and word in done.stderr


def test_a_fault_of_dovecots_has_its_line(place):
    conf = place.dir / "d.conf"
    conf.write_text("ssl = yes\npassdb {\n")
    done = run_import(place, debian_postfix(place.dir / "postfix"), conf,
                      "--to", place.etc, ok=False)
    assert done.returncode == 1
    assert re.search(r"d\.conf:\d: a section is not closed", done.stderr)
    assert not (place.etc / "main.cf").exists()
