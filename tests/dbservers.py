"""Servers of databases for tests, each in a directory of its own.

PostgreSQL, MariaDB, slapd and memcached of Debian's packages, on a Unix socket
and a port of an address that nobody else has. As root they run as `nobody`, as
some refuse to be root. Whoever makes one stops it.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

from suite import is_root, own_address, wait_for

USER = "nobody"


class Server:
    """One, with its directory `dir`, socket folder `run` and `addr`:`port`."""

    port = 0
    tls = ()

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pr-db-", dir="/tmp"))
        self.addr = own_address()
        self.process = None
        self.run = self.dir / "run"
        self.run.mkdir()
        self.dir.chmod(0o755)
        self.give(self.dir, self.run)

    def show(self, pki):
        """From now on it has a certificate of this issuer, for its address."""
        pem = pki.leaf("db", f"IP:{self.addr}", "DNS:db.test")
        for name in ("db.key", "db.crt", "ca.pem"):
            shutil.copy(pki.path / name, self.dir / name)
            (self.dir / name).chmod(0o600)
            self.give(self.dir / name)
        self.stop()
        self.tls = self.tls_words()
        self.start()
        return pem

    def give(self, *paths):
        if is_root():
            for path in paths:
                shutil.chown(path, USER, pwd.getpwnam(USER).pw_gid)

    def command(self, *words, **options):
        """Runs a command as the server's user."""
        return subprocess.run([*map(str, words)], check=True,
                              capture_output=True, text=True, cwd=self.dir,
                              **self.as_user(), **options)

    @staticmethod
    def as_user():
        if not is_root():
            return {}
        entry = pwd.getpwnam(USER)
        return {"user": entry.pw_uid, "group": entry.pw_gid,
                "extra_groups": []}

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, self.words())], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.dir, **self.as_user())
        wait_for(f"{type(self).__name__} to answer", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError((self.dir / "log").read_text("latin-1"))
        return self.is_up()

    def is_up(self):
        with socket.socket() as s:
            return s.connect_ex((self.addr, self.port)) == 0

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def finish(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir)


class Postgres(Server):
    port = 5432
    programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]

    def __init__(self):
        super().__init__()
        self.command(self.programs / "initdb", "-D", self.dir / "data", "-U",
                     "admin", "-A", "trust", "--no-sync", "-E", "UTF8",
                     "--locale=C.UTF-8")
        (self.dir / "data/pg_hba.conf").write_text(
            "local all admin trust\n"
            "local all all scram-sha-256\n"
            "host all all 127.0.0.0/8 scram-sha-256\n")
        self.start()
        self.sql("CREATE DATABASE mail", "postgres")

    def words(self):
        return [self.programs / "postgres", "-D", self.dir / "data", "-h",
                self.addr, "-k", self.run, "-F", "-c", "max_connections=40",
                *self.tls]

    def tls_words(self):
        return [word for name, value in {
            "ssl": "on", "ssl_cert_file": self.dir / "db.crt",
            "ssl_key_file": self.dir / "db.key"}.items()
            for word in ("-c", f"{name}={value}")]

    def is_up(self):
        return subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", self.run, "-U",
             "admin", "-d", "postgres"], check=False).returncode == 0

    def stop(self, how=signal.SIGINT):  # a fast shutdown
        super().stop(signal.SIGQUIT if how == signal.SIGKILL else how)

    def sql(self, text, base="mail"):
        return self.command("psql", "-v", "ON_ERROR_STOP=1", "-qtA", "-h",
                            self.run, "-U", "admin", base, input=text).stdout


class MariaDB(Server):
    port = 3306

    def __init__(self):
        super().__init__()
        user = USER if is_root() else pwd.getpwuid(os.getuid()).pw_name
        self.command("mariadb-install-db", "--no-defaults",
                     f"--datadir={self.dir}/data", f"--user={user}",
                     "--auth-root-authentication-method=normal",
                     "--skip-test-db")
        self.socket = self.run / "mysqld.sock"
        self.start()
        self.sql("CREATE DATABASE mail CHARACTER SET utf8mb4", "mysql")

    def words(self):
        return ["/usr/sbin/mariadbd", "--no-defaults",
                f"--datadir={self.dir}/data", f"--socket={self.socket}",
                f"--bind-address={self.addr}", f"--port={self.port}",
                f"--pid-file={self.dir}/pid", "--skip-name-resolve",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=16M", *self.tls]

    def tls_words(self):
        return [f"--ssl-{name}={self.dir}/{file}" for name, file in
                {"ca": "ca.pem", "cert": "db.crt", "key": "db.key"}.items()]

    def is_up(self):
        return subprocess.run(
            ["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-u",
             "root", "ping"], check=False,
            capture_output=True).returncode == 0

    def sql(self, text, base="mail"):
        return self.command("mariadb", "--no-defaults",
                            f"--socket={self.socket}", "-u", "root", "-N",
                            base, input=text).stdout


class Slapd(Server):
    port = 3890
    tls_port = 6360

    CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype (1.3.6.1.4.1.4203.666.1.200 NAME 'maildrop'
  EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26)
attributetype (1.3.6.1.4.1.4203.666.1.201 NAME 'memberurl'
  EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26)
objectclass (1.3.6.1.4.1.4203.666.3.200 NAME 'mailThing' SUP top AUXILIARY
  MAY (mail $ maildrop $ memberurl $ member $ userPassword))
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=test"
rootdn "cn=admin,dc=example,dc=test"
rootpw adminpw
directory {dir}/data
index objectClass eq
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""

    def __init__(self):
        super().__init__()
        (self.dir / "data").mkdir()
        self.config = self.dir / "slapd.conf"
        self.config.write_text(self.CONFIG.format(dir=self.dir))
        self.give(self.dir / "data", self.config)
        self.ldapi = "ldapi://" + str(self.run / "ldapi").replace("/", "%2F")
        self.start()

    def words(self):
        return ["/usr/sbin/slapd", "-d", "0", "-f", self.config, "-h",
                f"ldap://{self.addr}:{self.port} {self.ldapi}"
                + (f" ldaps://{self.addr}:{self.tls_port}" if self.tls
                   else "")]

    def tls_words(self):
        text = self.config.read_text()
        if "TLSCertificateFile" not in text:
            self.config.write_text("".join(
                f"TLS{name} {self.dir}/{file}\n" for name, file in {
                    "CACertificateFile": "ca.pem",
                    "CertificateFile": "db.crt",
                    "CertificateKeyFile": "db.key"}.items()) + text)
        return ["yes"]

    def add(self, ldif):
        self.command("ldapadd", "-x", "-H",
                     f"ldap://{self.addr}:{self.port}", "-D",
                     "cn=admin,dc=example,dc=test", "-w", "adminpw",
                     input=ldif)


class Memcached(Server):
    port = 11211

    def __init__(self):
        super().__init__()
        self.start()

    def words(self):
        user = ["-u", USER] if is_root() else []
        return ["memcached", "-l", self.addr, "-p", self.port, "-U", "0",
                "-m", "16", *user]

    def ask(self, text):
        """Says it, and returns what is answered up to a last line."""
        with socket.create_connection((self.addr, self.port), 10) as s:
            s.sendall(text.encode())
            got = b""
            while not got.endswith((b"END\r\n", b"STORED\r\n", b"OK\r\n",
                                    b"DELETED\r\n", b"NOT_FOUND\r\n")):
                got += s.recv(65536)
            return got.decode()
