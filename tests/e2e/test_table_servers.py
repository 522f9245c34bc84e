"""Tables behind servers, as postmap asks them: beside Debian's Postfix, with its
own modules, on the same files. Servers are real, and the tests' own."""
import os
import pathlib
import socket
import socketserver
import sqlite3
import subprocess
import threading

import pytest

import dbservers
from pki import PKI
from suite import wait_for

ROWS = [
    ("ann@example.test", "ann@there.test"),
    ("two@example.test", "a@b.test"),
    ("two@example.test", "c@d.test"),
    ("o'neil@example.test", "quote"),
    ("back\\slash@example.test", "backslash"),
    ('dou"ble@example.test', "double"),
    ("per%cent@example.test", "percent"),
    ("j\u00fcrgen@example.test", "multibyte"),
    ("user", "bare"),
    ("@example.test", "catchall"),
    ("mail.sub.example.test", "host"),
    ("empty@example.test", ""),
    ("comma@example.test", "x,y"),
]
KEYS = [key for key, _ in ROWS] + [
    "nobody@example.test", "ANN@EXAMPLE.TEST", "ann@", "@", "ann@other.test",
    "x' OR '1'='1", "x\\' OR 1=1 -- ", "ann@example.test'; DROP TABLE t; --",
    "%s@example.test", "a@b@example.test", "x" * 200 + "@example.test",
]
SCHEMA = ("CREATE TABLE t (k VARCHAR(300), v VARCHAR(300), w VARCHAR(300));\n"
          + "".join(
              "INSERT INTO t VALUES ('{}', '{}', NULL);\n".format(
                  k.replace("'", "''"), v) for k, v in ROWS))
QUERIES = {
    "s": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v",
    "two-fields": "query = SELECT v, w, k FROM t WHERE k = '%s' ORDER BY v",
    "u-d": "query = SELECT v FROM t WHERE k = '%u@%d' ORDER BY v",
    "u": "query = SELECT v FROM t WHERE k = '%u'",
    "parts": "query = SELECT v FROM t WHERE k = '%s' AND '%2' = 'example' "
             "ORDER BY v",
    "three-parts": "query = SELECT v FROM t WHERE k = '%s' AND '%3' <> ''",
    "format": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\n"
              "result_format = <%s> of %S, %U, %D, %1, 100%%",
    "format-d": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\n"
                "result_format = smtp:[%d] %u",
    "domain": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\n"
              "domain = example.test, other.test",
    "old": "select_field = v\ntable = t\nwhere_field = k\n"
           "additional_conditions = AND v <> 'bare' ORDER BY v",
}


@pytest.fixture(scope="module")
def postgres():
    server = dbservers.Postgres()
    yield server
    server.finish()


@pytest.fixture(scope="module")
def mariadb():
    server = dbservers.MariaDB()
    yield server
    server.finish()


@pytest.fixture(scope="module")
def slapd_alone():
    """One that knows its people already, and may be started anew."""
    server = dbservers.Slapd()
    server.add(PEOPLE)
    yield server
    server.finish()


@pytest.fixture(scope="module")
def slapd():
    server = dbservers.Slapd()
    yield server
    server.finish()


@pytest.fixture
def memcached():
    server = dbservers.Memcached()
    yield server
    server.finish()


def long_ago(path):
    """Postfix waits until a file is two seconds old before it reads it."""
    os.utime(path, (1, 1))


class Asker:
    """Asks our postmap and Postfix's, with the files of one suite."""

    def __init__(self, suite):
        self.suite = suite
        suite.write()
        self.peer = suite.dir / "peer"
        self.peer.mkdir()
        (self.peer / "main.cf").write_text("")
        self.peer.joinpath("main.cf").write_text(
            "compatibility_level = 3.6\nsmtputf8_enable = yes\n")
        long_ago(self.peer / "main.cf")

    def file(self, name, text):
        path = self.suite.etc / (name + ".cf")
        path.write_text(text + "\n")
        path.chmod(0o640)
        long_ago(path)
        return path

    def ours(self, table, key):
        done = self.suite.run("postmap", "-q", key, table, ok=False)
        return done.returncode, done.stdout, done.stderr

    def theirs(self, table, key):
        done = subprocess.run(["/usr/sbin/postmap", "-c", self.peer, "-q", key,
                               table], capture_output=True, check=False)
        return done.returncode, done.stdout.decode("latin-1")

    def compare(self, table, keys=KEYS):
        """Values and exit status are the same; returns how many were found.

        All keys go in one call, which ends with the first that fails.
        """
        text = "".join(key + "\n" for key in keys).encode()
        ours = self.suite.run("postmap", "-q", "-", table, ok=False,
                              stdin=text)
        theirs = subprocess.run(
            ["/usr/sbin/postmap", "-c", self.peer, "-q", "-", table],
            input=text, capture_output=True, check=False)
        assert (ours.returncode, ours.stdout) == (
            theirs.returncode, theirs.stdout.decode("latin-1")), (
                table, ours.stderr, theirs.stderr)
        return ours.stdout.count("\n")


@pytest.fixture
def asker(make_suite):
    return Asker(make_suite())


MULTIBYTE = "j\u00fcrgen@example.test"


def compare_queries(asker, kind, connection, keys=KEYS):
    total = 0
    for name, query in QUERIES.items():
        path = asker.file(f"{kind}-{name}", connection + query)
        total += asker.compare(f"{kind}:{path}", keys)
    assert total > 60
    path = asker.file("limit", connection + "query = SELECT v FROM t WHERE "
                      "k = '%s'\nexpansion_limit = 1")
    for key in "ann@example.test", "two@example.test":
        assert asker.ours(f"{kind}:{path}", key)[:2] == asker.theirs(
            f"{kind}:{path}", key)
    path = asker.suite.etc / f"{kind}-s.cf"
    assert asker.ours(f"{kind}:{path}", MULTIBYTE) == (0, "multibyte\n", "")


def test_postgresql_answers_as_with_postfix(asker, postgres):
    postgres.sql(SCHEMA +
                 "CREATE ROLE reader LOGIN PASSWORD 'p w';"
                 "GRANT SELECT ON t TO reader;")
    # Postfix 3.7 asks in LATIN1, later ones in UTF8 as we do.
    compare_queries(asker, "pgsql",
                    f"hosts = {postgres.addr}:{postgres.port}\n"
                    "user = reader\npassword = p w\ndbname = mail\n",
                    [k for k in KEYS if k.isascii()])
    path = asker.file("function", f"hosts = {postgres.addr}\nuser = reader\n"
                      "password = p w\ndbname = mail\nselect_function = f")
    postgres.sql("CREATE FUNCTION f(text) RETURNS SETOF text LANGUAGE sql AS "
                 "'SELECT v FROM t WHERE k = $1 ORDER BY v'")
    assert asker.compare(f"pgsql:{path}", ["two@example.test", "none"]) == 1


def test_postgresql_is_reached_in_each_form_of_a_host(asker, postgres):
    postgres.sql("CREATE TABLE IF NOT EXISTS here (v text);"
                 "INSERT INTO here VALUES ('yes');"
                 "CREATE ROLE walker LOGIN PASSWORD 'secret';"
                 "GRANT SELECT ON here TO walker;")
    rest = "\nuser = walker\npassword = secret\ndbname = mail\n" \
           "query = SELECT v FROM here WHERE '%s' <> ''"
    for hosts in (f"unix:{postgres.run}", f"{postgres.run}",
                  f"inet:{postgres.addr}:5432", postgres.addr,
                  f"{postgres.addr}:1 {postgres.addr}:5432",
                  f"postgresql://walker:secret@{postgres.addr}/mail",
                  f"unix:{postgres.run}/.s.PGSQL.5432"):
        path = asker.file("host", "hosts = " + hosts + rest)
        assert asker.ours(f"pgsql:{path}", "x")[:2] == (0, "yes\n"), hosts


def test_mariadb_answers_as_with_postfix(asker, mariadb):
    mariadb.sql(SCHEMA.replace("\\", "\\\\") +
                "ALTER TABLE t MODIFY k VARCHAR(300) COLLATE utf8mb4_bin;"
                "CREATE USER reader IDENTIFIED BY 'p w';"
                "GRANT SELECT ON mail.t TO reader;")
    compare_queries(asker, "mysql",
                    f"hosts = {mariadb.addr}:{mariadb.port}\n"
                    "user = reader\npassword = p w\ndbname = mail\n")
    mariadb.sql("DELIMITER $$\nCREATE PROCEDURE p (IN a VARCHAR(300))\n"
                "BEGIN SELECT v FROM t WHERE k = a ORDER BY v; END$$\n"
                "CREATE PROCEDURE nothing () BEGIN END$$\nDELIMITER ;\n"
                "GRANT EXECUTE ON mail.* TO reader;")
    rest = "\nuser = reader\npassword = p w\ndbname = mail\n"
    path = asker.file("call", f"hosts = unix:{mariadb.socket}" + rest +
                      "query = CALL p('%s')")
    assert asker.compare(f"mysql:{path}", ["two@example.test", "no"]) == 1
    # What has no result is an error, unless one says that it may.
    path = asker.file("none", f"hosts = unix:{mariadb.socket}" + rest +
                      "query = CALL nothing()")
    status, _, err = asker.ours(f"mysql:{path}", "x")
    assert status == 1 and "require_result_set" in err
    path = asker.file("none", path.read_text() + "require_result_set = no")
    assert asker.ours(f"mysql:{path}", "x") == (1, "", "")
    options = asker.suite.etc / "my.cnf"
    options.write_text(f"[postrider]\nsocket = {mariadb.socket}\n"
                       "user = reader\npassword = \"p w\"\n")
    path = asker.file("options", "hosts = localhost\ndbname = mail\n"
                      f"option_file = {options}\noption_group = postrider\n"
                      "query = SELECT v FROM t WHERE k = '%s' ORDER BY v")
    assert asker.ours(f"mysql:{path}", "two@example.test")[:2] == (
        0, "a@b.test,c@d.test\n")


def test_sqlite_answers_as_with_postfix(asker):
    base = asker.suite.dir / "base.sqlite"
    with sqlite3.connect(base) as db:
        db.executescript(SCHEMA)
    compare_queries(asker, "sqlite", f"dbpath = {base}\n")
    path = asker.suite.etc / "sqlite-s.cf"
    # A file that took the place of another is opened; one that is none is told.
    base.write_text("this is no base" * 100)
    status, out, err = asker.ours(f"sqlite:{path}", "ann@example.test")
    assert status == 1 and not out and "not a database" in err
    base.unlink()
    status, out, err = asker.ours(f"sqlite:{path}", "ann@example.test")
    assert status == 1 and not out and str(base) in err


def test_parameters_may_stand_in_main_cf(asker, postgres):
    postgres.sql("CREATE TABLE main (k text, v text);"
                 "INSERT INTO main VALUES ('k', 'from main.cf')")
    asker.suite.set(accounts_hosts=f"unix:{postgres.run}",
                    accounts_user="admin", accounts_dbname="mail",
                    accounts_query="SELECT v FROM main WHERE k = '%s'")
    asker.suite.write()
    assert asker.ours("pgsql:accounts", "k")[:2] == (0, "from main.cf\n")
    assert asker.ours("pgsql:accounts", "z") == (1, "", "")


PEOPLE = """dn: dc=example,dc=test
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,dc=example,dc=test
objectClass: organizationalUnit
ou: people

""" + "".join(f"""dn: uid={uid},ou=people,dc=example,dc=test
objectClass: inetOrgPerson
objectClass: mailThing
uid: {uid}
cn: {cn}
sn: {uid}
mail: {uid}@example.test
maildrop: {uid}@drop.test
userPassword: {uid}pw

""" for uid, cn in (("ann", "Ann"), ("ben", "Star * (x)"), ("cee", "C"))) + \
    """dn: cn=team,dc=example,dc=test
objectClass: groupOfNames
objectClass: mailThing
cn: team
mail: team@example.test
member: uid=ann,ou=people,dc=example,dc=test
member: uid=ben,ou=people,dc=example,dc=test

dn: cn=deep,dc=example,dc=test
objectClass: groupOfNames
objectClass: mailThing
cn: deep
mail: deep@example.test
member: cn=team,dc=example,dc=test
member: uid=cee,ou=people,dc=example,dc=test

dn: cn=url,dc=example,dc=test
objectClass: groupOfNames
objectClass: mailThing
cn: url
mail: url@example.test
member: cn=nobody,dc=example,dc=test
memberurl: ldap:///ou=people,dc=example,dc=test?mail,maildrop?sub?(uid=*e*)

dn: cn=terminal,dc=example,dc=test
objectClass: groupOfNames
objectClass: mailThing
cn: terminal
mail: terminal@example.test
maildrop: list@host.test
member: uid=ann,ou=people,dc=example,dc=test

dn: cn=loop,dc=example,dc=test
objectClass: groupOfNames
objectClass: mailThing
cn: loop
mail: loop@example.test
member: cn=loop,dc=example,dc=test
"""

LDAP_FORMS = {
    "plain": "search_base = dc=example,dc=test\nquery_filter = (mail=%s)\n"
             "result_attribute = maildrop",
    "base": "search_base = uid=%u,ou=people,dc=%2,dc=%1\nscope = base\n"
            "query_filter = (mail=%s)\nresult_attribute = mail, maildrop",
    "one": "search_base = ou=people,dc=example,dc=test\nscope = one\n"
           "query_filter = (cn=%u)\nresult_attribute = mail",
    "group": "search_base = dc=example,dc=test\nquery_filter = (mail=%s)\n"
             "result_attribute =\nleaf_result_attribute = mail\n"
             "special_result_attribute = member, memberurl\n"
             "recursion_limit = 10",
    "terminal": "search_base = dc=example,dc=test\nquery_filter = (mail=%s)\n"
                "result_attribute =\nleaf_result_attribute = mail\n"
                "terminal_result_attribute = maildrop\n"
                "special_result_attribute = member",
    "format": "search_base = dc=example,dc=test\nquery_filter = (mail=%s)\n"
              "result_attribute = maildrop\nresult_format = %u at %D",
    "limit": "search_base = dc=example,dc=test\nquery_filter = (uid=*)\n"
             "result_attribute = mail\nexpansion_limit = 2",
    "size": "search_base = dc=example,dc=test\n"
            "query_filter = (objectClass=mailThing)\n"
            "result_attribute = mail\nsize_limit = 2",
    "domain": "search_base = dc=example,dc=test\nquery_filter = (mail=%s)\n"
              "result_attribute = maildrop\ndomain = other.test",
    "nowhere": "search_base = dc=nowhere\nquery_filter = (mail=%s)\n"
               "result_attribute = maildrop",
}
LDAP_KEYS = [f"{n}@example.test" for n in (
    "ann", "ben", "team", "deep", "url", "terminal", "nobody", "*", "a*n",
    "x)(uid=*", "\\2a", "Star * (x)", "j\u00fcr", "a,b", "a+b=c", "#a", " a",
    "a ")] + ["ann", "*", "@example.test"]


def test_ldap_answers_as_with_postfix(asker, slapd):
    slapd.add(PEOPLE)
    total = 0
    for name, text in LDAP_FORMS.items():
        path = asker.file("ldap-" + name,
                          f"server_host = ldap://{slapd.addr}:{slapd.port}\n"
                          "version = 3\nbind = no\n" + text)
        total += asker.compare(f"ldap:{path}", LDAP_KEYS)
    assert total >= 15
    path = asker.suite.etc / "ldap-group.cf"
    status, _, err = asker.ours(f"ldap:{path}", "loop@example.test")
    assert status == 1 and "recursion_limit" in err
    # By its socket, with a password; and with a wrong one.
    rest = (f"server_host = {slapd.ldapi}\nbind_dn = uid=ann,ou=people,"
            "dc=example,dc=test\nbind_pw = {}\n" + LDAP_FORMS["plain"])
    path = asker.file("bound", rest.format("annpw"))
    assert asker.ours(f"ldap:{path}", "ann@example.test")[:2] == (
        0, "ann@drop.test\n")
    path = asker.file("bound", rest.format("wrong"))
    status, _, err = asker.ours(f"ldap:{path}", "ann@example.test")
    assert status == 1 and "Invalid credentials" in err


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    made = PKI(tmp_path_factory.mktemp("pki") / "ca")
    for path in (made.path.parent.parent, made.path.parent, made.path):
        path.chmod(0o755)
    made.other = PKI(made.path / "other", "/CN=Somebody else").ca
    return made


def verify(asker, kind, text, pki, refused, key="x", value="yes\n"):
    """It is asked under its issuer, and under another one it is not."""
    good = asker.file(f"{kind}-tls", text.format(ca=pki.ca))
    assert asker.ours(f"{kind}:{good}", key) == (0, value, "")
    wrong = asker.file(f"{kind}-other", text.format(ca=pki.other))
    status, out, err = asker.ours(f"{kind}:{wrong}", key)
    # "Could not find out" is no "there is none", and says why.
    assert (status, out) == (1, "") and "fatal: table" in err
    assert refused in err, err


def test_postgresql_shows_a_certificate(asker, postgres, pki):
    postgres.show(pki)
    postgres.sql("CREATE TABLE safe (v text); INSERT INTO safe VALUES ('yes');"
                 "CREATE ROLE careful LOGIN PASSWORD 'secret';"
                 "GRANT SELECT ON safe TO careful")
    verify(asker, "pgsql",
           f"hosts = postgresql://careful:secret@{postgres.addr}/mail"
           "?sslmode=verify-full&sslrootcert={ca}\ndbname = mail\n"
           "query = SELECT v FROM safe WHERE '%s' <> ''", pki,
           "certificate verify failed")
    # Who asks a server for TLS that has none is not served in the clear.
    postgres.stop()
    postgres.tls = ()
    postgres.start()
    path = asker.suite.etc / "pgsql-tls.cf"
    status, _, err = asker.ours(f"pgsql:{path}", "x")
    assert status == 1 and "server does not support SSL" in err


def test_mariadb_shows_a_certificate(asker, mariadb, pki):
    mariadb.show(pki)
    mariadb.sql("CREATE TABLE safe (v text); INSERT INTO safe VALUES ('yes');"
                "CREATE USER careful IDENTIFIED BY 'secret' REQUIRE SSL;"
                "GRANT SELECT ON mail.safe TO careful")
    verify(asker, "mysql",
           f"hosts = inet:{mariadb.addr}:{mariadb.port}\nuser = careful\n"
           "password = secret\ndbname = mail\ntls_CAfile = {ca}\n"
           "tls_verify_cert = yes\n"
           "query = SELECT v FROM safe WHERE '%s' <> ''", pki, "TLS")


LDAP_ANN = ("search_base = dc=example,dc=test\nquery_filter = (mail=%s)\n"
            "result_attribute = maildrop\n")


def test_ldap_shows_a_certificate(asker, slapd_alone, pki):
    slapd_alone.show(pki)
    at = slapd_alone.addr
    for how in (f"server_host = ldap://{at}:{slapd_alone.port}\n"
                "start_tls = yes\n",
                f"server_host = ldaps://{at}:{slapd_alone.tls_port}\n"):
        verify(asker, "ldap", how + "version = 3\nbind = no\n"
               "tls_require_cert = yes\ntls_ca_cert_file = {ca}\n" + LDAP_ANN,
               pki, "TLS", "ann@example.test", "ann@drop.test\n")


def test_ldap_knows_us_by_our_socket(asker, slapd_alone):
    text = f"server_host = {slapd_alone.ldapi}\nversion = 3\nbind = sasl\n"
    path = asker.file("sasl", text + LDAP_ANN)
    assert asker.ours(f"ldap:{path}", "ann@example.test") == (
        0, "ann@drop.test\n", "")
    path = asker.file("sasl", text + "sasl_mechs = GSSAPI\n" + LDAP_ANN)
    status, _, err = asker.ours(f"ldap:{path}", "ann@example.test")
    assert status == 1 and "the only one is EXTERNAL" in err
    # Over TCP nobody knows who we are.
    path = asker.file("sasl", text.replace(
        slapd_alone.ldapi, f"ldap://{slapd_alone.addr}:{slapd_alone.port}")
        + LDAP_ANN)
    status, _, err = asker.ours(f"ldap:{path}", "ann@example.test")
    assert status == 1 and "SASL EXTERNAL" in err


def test_memcached_keeps_what_the_backup_has(asker, memcached):
    backup = asker.suite.etc / "backup"
    backup.write_text("ann ann@there.test\nben " + "b" * 5000 + "\n")
    text = (f"memcache = inet:{memcached.addr}:{memcached.port}\n"
            "key_format = pr:%s\nttl = 100\n")
    plain = f"memcache:{asker.file('plain', text)}"
    backed = "memcache:" + str(asker.file(
        "backed", text + f"backup = texthash:{backup}"))
    assert asker.ours(plain, "ann") == (1, "", "")
    assert asker.ours(backed, "ann")[:2] == (0, "ann@there.test\n")
    assert memcached.ask("get pr:ann\r\n") == (
        "VALUE pr:ann 0 14\r\nann@there.test\r\nEND\r\n")
    assert asker.ours(plain, "ann")[:2] == asker.theirs(plain, "ann") == (
        0, "ann@there.test\n")
    # Then memcached is asked first.
    memcached.ask("set pr:ann 0 0 5\r\nother\r\n")
    assert asker.ours(backed, "ann")[:2] == (0, "other\n")
    # What cannot be a key there, and what is larger than allowed.
    for key in ("a b", "x" * 300):
        assert asker.ours(plain, key) == (1, "", "")
    small = "memcache:" + str(asker.file(
        "small", text + "data_size_limit = 100"))
    memcached.ask("set pr:big 0 0 101\r\n" + "x" * 101 + "\r\n")
    status, _, err = asker.ours(small, "big")
    assert status == 1 and "the server says" in err
    # Without it the backup answers; without a backup nobody does.
    memcached.stop()
    assert asker.ours(backed, "ann")[:2] == (0, "ann@there.test\n")
    status, _, err = asker.ours(plain, "ann")
    assert status == 1 and "refused" in err


class Speaker(socketserver.ThreadingTCPServer):
    """A server whose answers are bytes, for questions that are bytes."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, size, answer):
        speaker = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                while question := speaker.read(self.request):
                    speaker.asked.append(question)
                    reply = answer(question)
                    if reply is None:
                        return
                    self.request.sendall(reply)

        self.asked = []
        self.size = size
        super().__init__((address, 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def read(self, connection):
        data = b""
        while not self.size(data):
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        return data

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)


def netstring(data):
    return b"%d:%s," % (len(data), data)


def test_socketmap_answers_as_with_postfix(asker):
    replies = {
        b"map ann": b"OK ann@there.test",
        b"map ben": b"NOTFOUND ",
        b"map temp": b"TEMP come back",
        b"map late": b"TIMEOUT too late",
        b"map perm": b"PERM never",
        b"map odd": b"WHAT",
        b"map big": b"OK " + b"x" * 99997,
        b"map o'x y": b"OK quoted",
    }

    def answer(question):
        key = question.split(b":", 1)[1][:-1]
        if key == b"map cut":
            return None
        if key == b"map huge":
            return netstring(b"OK " + b"x" * 100001)
        return netstring(replies[key])

    with Speaker(asker.suite.addr, lambda d: d.endswith(b","),
                 answer) as server:
        table = "socketmap:inet:{}:{}:map".format(*server.server_address)
        found = asker.compare(table, ["ann", "ben", "big", "o'x y"])
        assert found == 3
        for key, text in (("temp", "come back"), ("late", "too late"),
                          ("perm", "never"), ("odd", "WHAT"),
                          ("cut", "Connection reset"), ("huge", "netstring")):
            status, out, err = asker.ours(table, key)
            assert (status, out) == (1, "") and text in err, key
    status, _, err = asker.ours(table, "ann")
    assert status == 1 and "refused" in err
    status, _, err = asker.ours("socketmap:inet:nothing", "ann")
    assert status == 1 and "allowed is" in err


def test_tcp_answers_as_with_postfix(asker):
    replies = {
        b"get ann\n": b"200 ann@there.test\n",
        b"get a%20b%25%0A\n": b"200 x%20y%25\n",
        b"get ben\n": b"500 not%20here\n",
        b"get temp\n": b"400 come%20back\n",
        b"get odd\n": b"300 what\n",
        b"get bad\n": b"200 %zz\n",
        b"get long\n": b"200 " + b"x" * 5000 + b"\n",
    }
    with Speaker(asker.suite.addr, lambda d: d.endswith(b"\n"),
                 lambda q: replies[q]) as server:
        table = "tcp:{}:{}".format(*server.server_address)
        assert asker.compare(table, ["ann", "ben"]) == 1
        assert asker.ours(table, "a b%\n")[:2] == (0, "x y%\n")
        for key in ("temp", "odd", "bad", "long"):
            status, out, err = asker.ours(table, key)
            assert (status, out) == (1, "") and table in err, key


def test_who_does_not_answer_costs_a_bounded_time(asker, postgres):
    """A server that takes connections and says nothing; two at a time."""
    with socket.create_server((asker.suite.addr, 0)) as silent:
        host = "{}:{}".format(*silent.getsockname())
        path = asker.file("silent", f"hosts = {host}\nuser = x\ndbname = x\n"
                          "query = SELECT '%s'")
        status, _, err = asker.ours(f"pgsql:{path}", "x")
        assert status == 1 and "too long" in err
        # Another host answers: no matter which is tried first.
        postgres.sql("CREATE TABLE IF NOT EXISTS e (v text);")
        path = asker.file("silent", f"hosts = {host} unix:{postgres.run}\n"
                          "user = admin\ndbname = mail\nquery = SELECT '%s'")
        assert asker.ours(f"pgsql:{path}", "x")[:2] == (0, "x\n")


def test_what_is_not_utf8_is_not_asked_for(asker, postgres, mariadb):
    """A stranger's bytes are in no such table, and make no server fail."""
    for kind, hosts, user in (("pgsql", f"unix:{postgres.run}", "admin"),
                              ("mysql", f"unix:{mariadb.socket}", "root")):
        path = asker.file(kind, f"hosts = {hosts}\nuser = {user}\n"
                          "dbname = mail\nquery = SELECT '%s'")
        for key in (b"a\xffb", b"\xc0\x80", b"\xed\xa0\x80", b"a\xe2\x82"):
            done = asker.suite.run("postmap", "-q", "-", f"{kind}:{path}",
                                   ok=False, stdin=key + b"\n")
            assert (done.returncode, done.stdout) == (1, "")
            assert "non-UTF-8 key" in done.stderr
        key = "\u20ac'\u00fc\\".encode()
        done = asker.suite.run("postmap", "-q", "-", f"{kind}:{path}",
                               stdin=key + b"\n")
        assert done.stdout.encode("latin-1") == key + b"\t" + key + b"\n"


WRONG = [
    ("query = SELECT 1 WHERE '%x'", "bad % in"),
    ("query = SELECT 1\nresult_format = %", "bad % in"),
    ("query = SELECT 1\nexpansion_limit = many", "allowed is a number"),
    ("hosts = x\nselect_field = a", "select_field, table and"),
    ("this is no line", "no name = value"),
]


@pytest.mark.parametrize("text, says", WRONG)
def test_a_wrong_file_is_told_where_and_why(asker, text, says):
    path = asker.file("wrong", text)
    status, out, err = asker.ours(f"pgsql:{path}", "x")
    assert (status, out) == (1, "") and says in err and str(path) in err


def test_modules_are_found_and_looked_at(asker):
    """dynamicmaps.cf says where; what others can write is not loaded."""
    suite = asker.suite
    types = suite.run("postconf", "-m").stdout.split()
    assert {"ldap", "memcache", "mysql", "pgsql", "socketmap", "sqlite",
            "tcp"} <= set(types)
    path = asker.file("x", "dbpath = /dev/null\nquery = SELECT '%s'")
    module = suite.dir / "own.so"
    module.write_bytes(
        next(pathlib.Path(suite.daemons).glob("modules/*sqlite.so"))
        .read_bytes())
    maps = suite.etc / "dynamicmaps.cf"
    maps.write_text(f"# own\nsqlite {module}\tdict_sqlite_open\n")
    module.chmod(0o755)
    assert asker.ours(f"sqlite:{path}", "x")[:2] == (0, "x\n")
    module.chmod(0o775)
    assert "owner alone" in asker.ours(f"sqlite:{path}", "x")[2]
    module.chmod(0o755)
    maps.write_text(f"sqlite {module}.gone\tdict_sqlite_open\n")
    assert "sqlite" not in suite.run("postconf", "-m").stdout.split()
    maps.write_text(f"sqlite {module}\tdict_nothing\n")
    assert "no such function" in asker.ours(f"sqlite:{path}", "x")[2]
    # One of another maker has no version that we know.
    theirs = next(pathlib.Path("/usr/lib/postfix").rglob("postfix-sqlite.so"))
    maps.write_text(f"sqlite {theirs.resolve()} dict_sqlite_open\n")
    assert asker.ours(f"sqlite:{path}", "x")[0] == 1
    suite.set(meta_directory=suite.dir).write()
    maps.unlink()
    assert "postrider-sqlite" in asker.ours(f"sqlite:{path}", "x")[2]
    assert "sqlite" not in suite.run("postconf", "-m").stdout.split()
