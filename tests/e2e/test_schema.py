"""The four-table schema, and PostfixAdmin's, in a PostgreSQL and a MariaDB: mail
comes in, is delivered, and is read, with all that is known of users in there."""
import crypt
import imaplib
import smtplib
import socket
import ssl
import threading

import pytest

import dbservers
from suite import wait_for

FOUR_TABLES = """
CREATE TABLE domains (domain VARCHAR(50) NOT NULL, PRIMARY KEY (domain));
CREATE TABLE forwardings (source VARCHAR(80) NOT NULL,
  destination TEXT NOT NULL, PRIMARY KEY (source));
CREATE TABLE users (email VARCHAR(80) NOT NULL, password VARCHAR(200) NOT NULL,
  PRIMARY KEY (email));
CREATE TABLE transport (domain VARCHAR(128) NOT NULL,
  transport VARCHAR(128) NOT NULL, PRIMARY KEY (domain));
INSERT INTO domains VALUES ('example.test'), ('second.test');
INSERT INTO forwardings VALUES
  ('info@example.test', 'alice@example.test,bob@example.test'),
  ('@second.test', '@example.test');
INSERT INTO users VALUES ('alice@example.test', '{alice}'),
  ('bob@example.test', '{bob}');
INSERT INTO transport VALUES ('away.test', 'retry:4.0.0 not today');
"""
PASSWORDS = {"alice": "wonder'land", "bob": "b\\uilder"}
PATHS = {
    "mysql": "CONCAT(SUBSTRING_INDEX(email,'@',-1),'/',"
             "SUBSTRING_INDEX(email,'@',1),'/')",
    "pgsql": "split_part(email,'@',2)||'/'||split_part(email,'@',1)||'/'",
}
TABLES = {
    "domains": "SELECT domain AS virtual FROM domains WHERE domain='%s'",
    "forwardings": "SELECT destination FROM forwardings WHERE source='%s'",
    "mailboxes": "SELECT {path} FROM users WHERE email='%s'",
    "transports": "SELECT transport FROM transport WHERE domain='%s'",
    "owners": "SELECT email FROM users WHERE email='%s'",
}
LOGIN = "SELECT password FROM users WHERE email='%s'"
# Whoever asks for mail's way cannot read what only authd needs.
ROLES = {
    "pgsql": """CREATE ROLE mailreader LOGIN PASSWORD 'reader';
GRANT SELECT ON domains, forwardings, transport TO mailreader;
GRANT SELECT (email) ON users TO mailreader;
CREATE ROLE mailauth LOGIN PASSWORD 'auth';
GRANT SELECT ON users TO mailauth;
""",
    "mysql": """CREATE USER mailreader IDENTIFIED BY 'reader';
GRANT SELECT ON mail.domains TO mailreader;
GRANT SELECT ON mail.forwardings TO mailreader;
GRANT SELECT ON mail.transport TO mailreader;
GRANT SELECT (email) ON mail.users TO mailreader;
CREATE USER mailauth IDENTIFIED BY 'auth';
GRANT SELECT ON mail.users TO mailauth;
""",
}


@pytest.fixture(params=["pgsql", "mysql"])
def base(request):
    """(type, server) with the four tables."""
    server = (dbservers.Postgres if request.param == "pgsql"
              else dbservers.MariaDB)()
    try:
        server.sql(FOUR_TABLES.format(**{
            name: crypt.crypt(password, crypt.METHOD_SHA512)
            for name, password in PASSWORDS.items()}) + ROLES[request.param])
        yield request.param, server
    finally:
        server.finish()


def put(suite, name, kind, server, query, user, password, **more):
    suite.files[name + ".cf"] = (
        f"# {name}\nuser = {user}\npassword = {password}\ndbname = mail\n"
        f"query = {query}\nhosts = {server.addr}:{server.port}\n"
        + "".join(f"{k} = {v}\n" for k, v in more.items()))
    return f"{kind}:{suite.etc}/{name}.cf"


def configure(make_suite, kind, server):
    suite = make_suite().with_tls().with_auth().with_mailboxes()
    suite.services["proxymap"] = "proxymap unix - - n - - proxymap"
    tables = {name: put(suite, name, kind, server,
                        query.format(path=PATHS[kind]), "mailreader",
                        "reader")
              for name, query in TABLES.items()}
    return suite.set(
        virtual_mailbox_domains=tables["domains"],
        virtual_alias_maps=tables["forwardings"] + " " + tables["owners"],
        virtual_mailbox_maps=tables["mailboxes"],
        transport_maps=tables["transports"],
        smtpd_sender_login_maps=tables["owners"],
        smtpd_sender_restrictions="reject_authenticated_sender_login_mismatch",
        smtpd_relay_restrictions="permit_sasl_authenticated, "
                                 "reject_unauth_destination",
        auth_user_maps=put(suite, "logins", kind, server, LOGIN, "mailauth",
                           "auth"),
        table_retry_time="0s")


def submit(suite, sender, to):
    with smtplib.SMTP(suite.addr, suite.port()) as client:
        client.login(f"{sender}@example.test", PASSWORDS[sender])
        client.sendmail(f"{sender}@example.test", to, "Subject: hello\n\nx\n")


def answer_to(suite, rcpt):
    """(code, text) of RCPT TO, from a stranger."""
    with smtplib.SMTP(suite.addr, suite.port()) as client:
        client.ehlo("client.test")
        client.mail("who@client.test")
        code, text = client.rcpt(rcpt)
        return code, text.decode()


def imap(suite):
    context = ssl.create_default_context(cafile=suite.etc / "cert.pem")
    context.check_hostname = False
    return imaplib.IMAP4_SSL(suite.addr, suite.port("imaps"),
                             ssl_context=context)


def count_mail(suite, user):
    client = imap(suite)
    try:
        client.login(f"{user}@example.test", PASSWORDS[user])
        return int(client.select("INBOX")[1][0])
    finally:
        client.logout()


def test_the_four_tables_carry_mail_as_written(make_suite, base):
    kind, server = base
    suite = configure(make_suite, kind, server).start()
    suite.send("Subject: one\n\nx\n", "alice")
    suite.send("Subject: both\n\nx\n", "info")
    submit(suite, "alice", ["bob@second.test"])
    suite.wait_empty()
    assert len(suite.mailbox("alice").wait(2)) == 2
    assert len(suite.mailbox("bob").wait(2)) == 2
    assert count_mail(suite, "alice") == 2
    assert count_mail(suite, "bob") == 2
    code, text = answer_to(suite, "nobody@example.test")
    assert code == 550 and "User unknown in virtual mailbox table" in text
    assert answer_to(suite, "x@elsewhere.test")[0] == 554
    assert answer_to(suite, "o'r'1'='1@example.test")[0] == 550
    # Who sends as somebody else, and who has the wrong password.
    with smtplib.SMTP(suite.addr, suite.port()) as client:
        client.login("alice@example.test", PASSWORDS["alice"])
        client.mail("bob@example.test")
        assert client.rcpt("alice@example.test")[0] == 553
    with pytest.raises(imaplib.IMAP4.error):
        imap(suite).login(
            "alice@example.test", "wrong")
    # What stands in the transport table goes there.
    with smtplib.SMTP(suite.addr, suite.port()) as client:
        client.login("alice@example.test", PASSWORDS["alice"])
        client.sendmail("alice@example.test", "x@away.test", "Subject: t\n\n")
    suite.log.wait(r"to=<x@away\.test>.*status=deferred \(.*not today")
    # What a column is changed to counts at once, without a reload.
    server.sql("INSERT INTO forwardings VALUES ('new@example.test', "
               "'bob@example.test')")
    suite.send("Subject: new\n\nx\n", "new")
    assert len(suite.mailbox("bob").wait(3)) == 3
    # The reader's role cannot see passwords: neither can proxymap.
    path = suite.etc / "spy.cf"
    path.write_text((suite.etc / "owners.cf").read_text().replace(
        "SELECT email", "SELECT password"))
    done = suite.run("postmap", "-q", "alice@example.test", f"{kind}:{path}",
                     ok=False)
    assert done.returncode == 1 and "denied" in done.stderr


def test_a_server_that_is_away_defers_and_loses_nothing(make_suite, base):
    kind, server = base
    suite = configure(make_suite, kind, server).start()
    assert answer_to(suite, "alice@example.test")[0] == 250
    submit(suite, "bob", ["alice@example.test"])
    suite.mailbox("alice").wait(1)
    qmgr = suite.services["qmgr"]
    suite.take_away("qmgr")
    suite.send("Subject: waits\n\nx\n", "alice")
    server.stop()
    code, text = answer_to(suite, "alice@example.test")
    assert code == 451 and text.startswith("4.3.0")
    suite.log.wait(kind + r":\S+\.cf: .*", "smtpd")
    with pytest.raises(imaplib.IMAP4.error, match="(?i)unavailable|temporary"):
        imap(suite).login(
            "alice@example.test", PASSWORDS["alice"])
    suite.log.wait(r"logins\.cf", "authd")
    suite.services["qmgr"] = qmgr
    suite.reload()
    suite.log.wait(r"status=deferred \(address resolver failure\)")
    server.start()
    # Nobody starts anything anew for it: who asks next is answered.
    wait_for("the recipient to be known", lambda: answer_to(
        suite, "alice@example.test")[0] == 250)
    suite.send("Subject: later\n\nx\n", "alice")
    suite.run("postqueue", "-c", suite.etc, "-f")
    suite.mailbox("alice").wait(3)
    suite.wait_empty()
    wait_for("alice to log in", lambda: count_mail(suite, "alice") == 3)


def test_a_restart_in_the_middle_loses_nothing(make_suite, base):
    """Mail is sent all the while; what was taken arrives, what was not is 4xx."""
    kind, server = base
    suite = configure(make_suite, kind, server)
    suite.set(minimal_backoff_time="1s", queue_run_delay="1s").start()
    taken, refused, stop = [], [], threading.Event()

    def flood(n):
        while not stop.is_set():
            try:
                suite.send(f"Subject: {n}\n\nx\n", "info")
                taken.append(n)
            except AssertionError as e:
                refused.append(int(str(e)[:3]))

    threads = [threading.Thread(target=flood, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            before = len(taken)
            wait_for("mail to be taken", lambda: len(taken) > before + 10)
            server.stop()
            seen = len(refused)
            wait_for("mail to be refused", lambda: len(refused) > seen + 3)
            server.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(400 <= code < 500 for code in refused)

    def flushed():
        suite.run("postqueue", "-c", suite.etc, "-f")
        return not suite.queue()

    wait_for("the queue to be empty", flushed)
    assert len(suite.mailbox("alice").paths()) == len(taken)
    assert len(suite.mailbox("bob").paths()) == len(taken)


def test_a_reload_is_done_in_place(make_suite, base):
    """Other tables count at once; nobody is sent away meanwhile."""
    kind, server = base
    suite = configure(make_suite, kind, server).start()
    assert answer_to(suite, "alice@example.test")[0] == 250
    before = suite.pids("proxymap")
    server.sql("CREATE TABLE others (email VARCHAR(80), place VARCHAR(80));"
               "INSERT INTO others VALUES ('carl@example.test', 'x/');"
               "GRANT SELECT ON others TO mailreader;")
    suite.set(virtual_mailbox_maps=put(
        suite, "new", kind, server,
        "SELECT place FROM others WHERE email='%s'", "mailreader", "reader"),
        virtual_alias_maps="")
    suite.reload()
    wait_for("the new table to be asked", lambda: answer_to(
        suite, "carl@example.test")[0] == 250)
    # A worker of before may be told "not now" once more, never a wrong answer.
    wait_for("the old table to be gone", lambda: answer_to(
        suite, "alice@example.test")[0] == 550)
    assert suite.pids("proxymap") == before
    # A file that is replaced counts without a reload.
    path = suite.etc / "new.cf"
    text = path.read_text().replace("SELECT place FROM others WHERE",
                                    "SELECT email FROM users WHERE")
    suite.replace("new.cf", text)
    wait_for("the new file to be read", lambda: answer_to(
        suite, "alice@example.test")[0] == 250)


def test_a_slow_server_holds_up_nobody_else(make_suite):
    """One says nothing, forever: mail that needs the other one flows."""
    server = dbservers.Postgres()
    try:
        server.sql("CREATE TABLE d (v text); INSERT INTO d VALUES "
                   "('example.test'); CREATE ROLE r LOGIN PASSWORD 'p';"
                   "GRANT SELECT ON d TO r;")
        suite = make_suite()
        suite.services["proxymap"] = "proxymap unix - - n - - proxymap"
        with socket.create_server((suite.addr, 0)) as silent:
            suite.files["silent.cf"] = (
                "hosts = {}:{}\nuser = x\ndbname = x\nquery = SELECT '%s'\n"
                .format(*silent.getsockname()))
            suite.set(
                virtual_mailbox_domains=put(
                    suite, "d", "pgsql", server,
                    "SELECT v FROM d WHERE v='%s'", "r", "p"),
                smtpd_restriction_classes="slow",
                slow=f"check_sender_access pgsql:{suite.etc}/silent.cf",
                smtpd_recipient_restrictions="check_sender_access "
                "inline:{slow.test=slow}, permit").start()
            waiting = []
            for i in range(30):
                wire = suite.session()
                wire.command(f"MAIL FROM:<u{i}@slow.test>", 250)
                wire.send(b"RCPT TO:<alice@example.test>\r\n")
                waiting.append(wire)
            for _ in range(5):
                suite.send("Subject: quick\n\nx\n", "alice",
                           sender="a@quick.test")
            suite.mailbox("alice").wait(5)
            assert not suite.log.find("Temporary lookup failure")
            for wire in waiting:
                wire.expect(451)
    finally:
        server.finish()


ADMIN_TABLES = """
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, description varchar(255)
  DEFAULT '', transport varchar(255), backupmx boolean DEFAULT false,
  active boolean DEFAULT true);
CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255),
  name varchar(255) DEFAULT '', maildir varchar(255), quota bigint DEFAULT 0,
  local_part varchar(255), domain varchar(255), active boolean DEFAULT true);
CREATE TABLE alias (address varchar(255) PRIMARY KEY, goto text NOT NULL,
  domain varchar(255), active boolean DEFAULT true);
CREATE TABLE alias_domain (alias_domain varchar(255) PRIMARY KEY,
  target_domain varchar(255), active boolean DEFAULT true);
INSERT INTO domain (domain) VALUES ('example.test'), ('other.test');
INSERT INTO domain (domain, active) VALUES ('closed.test', false);
INSERT INTO mailbox (username, password, maildir, local_part, domain) VALUES
  ('alice@example.test', '{alice}', 'example.test/alice/', 'alice',
   'example.test'), ('bob@example.test', '{bob}', 'example.test/bob/', 'bob',
   'example.test');
INSERT INTO mailbox (username, password, maildir, domain, active) VALUES
  ('gone@example.test', '{alice}', 'example.test/gone/', 'example.test',
   false);
INSERT INTO alias (address, goto, domain) VALUES
  ('alice@example.test', 'alice@example.test', 'example.test'),
  ('bob@example.test', 'bob@example.test', 'example.test'),
  ('all@example.test', 'alice@example.test,bob@example.test',
   'example.test'), ('@example.test', 'bob@example.test', 'example.test');
INSERT INTO alias_domain VALUES ('other.test', 'example.test');
"""
ADMIN_QUERIES = {
    "alias": "SELECT goto FROM alias WHERE address='%s' AND active = 't'",
    "alias_domain": "SELECT goto FROM alias,alias_domain WHERE "
                    "alias_domain.alias_domain = '%d' and alias.address = "
                    "'%u' || '@' || alias_domain.target_domain AND "
                    "alias.active = true AND alias_domain.active = true",
    "domains": "SELECT domain FROM domain WHERE domain='%s' AND "
               "backupmx = false AND active = true",
    "mailbox": "SELECT maildir FROM mailbox WHERE username='%s' AND "
               "active = true",
}


def test_postfixadmin_carries_mail(make_suite):
    server = dbservers.Postgres()
    try:
        server.sql(ADMIN_TABLES.format(**{
            name: crypt.crypt(password, crypt.METHOD_SHA512)
            for name, password in PASSWORDS.items()}) +
            "CREATE ROLE postfix LOGIN PASSWORD 'x';"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO postfix;")
        suite = make_suite().with_tls().with_auth().with_mailboxes()
        suite.services["proxymap"] = "proxymap unix - - n - - proxymap"
        t = {name: "proxy:" + put(suite, name, "pgsql", server, query,
                                  "postfix", "x")
             for name, query in ADMIN_QUERIES.items()}
        suite.set(
            virtual_mailbox_domains=t["domains"],
            virtual_alias_maps=f"{t['alias']}, {t['alias_domain']}",
            virtual_mailbox_maps=t["mailbox"],
            auth_user_maps=put(
                suite, "login", "pgsql", server,
                "SELECT password FROM mailbox WHERE username='%s' AND active",
                "postfix", "x")).start()
        suite.send("Subject: 1\n\nx\n", "alice")
        suite.send("Subject: 2\n\nx\n", "all")
        suite.send("Subject: 3\n\nx\n", "alice@other.test")
        suite.send("Subject: 4\n\nx\n", "anything")  # the catch-all
        suite.mailbox("alice").wait(3)
        suite.mailbox("bob").wait(2)
        suite.wait_empty()
        assert count_mail(suite, "alice") == 3
        assert answer_to(suite, "x@closed.test")[0] == 554
        with pytest.raises(imaplib.IMAP4.error):
            imap(suite).login(
                "gone@example.test", PASSWORDS["alice"])
    finally:
        server.finish()
