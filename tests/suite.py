"""A whole suite in a directory of its own, for tests.

Each Suite listens on a loopback address of its own, on quickstart's ports, so
that tests run side by side. As root it has users of its own too, which
private_users() puts into a passwd and group that only this process and its
children see; as an ordinary user all of them are that user.
"""
import contextlib
import ctypes
import grp
import json
import os
import pathlib
import pwd
import re
import select
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

from wire import Wire

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / os.environ.get("POSTRIDER_BUILD", "build-asan")
PATIENCE = 30.0  # seconds: no event that a test waits for takes longer
PORT_BASE = 10000
MAIL_UID = 5000  # who owns the mail in virtual mailboxes, as root

USERS = {  # name: (uid, further groups); the group has the same number
    "postrider": (4001, ["postrider-net"]),
    "postrider-net": (4002, []),
    "postrider-login": (4003, []),
    "postrider-auth": (4004, []),
    "vmail": (MAIL_UID, []),
}
POSTDROP = 4010

PEOPLE = {"ann": 4101, "ben": 4102, "carl": 4103}  # users with a home, as root
HOMES = pathlib.Path("/nonexistent")  # where, since private_users()


def is_root():
    return os.geteuid() == 0


class TimeOut(AssertionError):
    """What a test waited for did not happen."""


def wait_for(what, condition, patience=PATIENCE):
    """Returns the first true value of condition(), asked again and again."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeOut(f"waited {patience:g} s for {what}")
        time.sleep(0.01)


def private_users():
    """Gives this process passwd and group files with the suite's users."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source, target, kind, flags, data=None):
        if libc.mount(source, target, kind, flags, data) < 0:
            raise OSError(ctypes.get_errno(), "mount", target)

    global HOMES
    HOMES = pathlib.Path(tempfile.mkdtemp(prefix="postrider-homes-"))
    HOMES.chmod(0o755)
    clone_newns, ms_bind, ms_rec_private = 0x20000, 0x1000, 0x44000
    if libc.unshare(clone_newns) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount(b"none", b"/", None, ms_rec_private)
    new = {"passwd": passwd_lines(), "group": group_lines()}
    for name, lines in new.items():
        kept = [line for line in pathlib.Path("/etc", name).read_text()
                .splitlines() if line.split(":")[0] not in {**USERS, **PEOPLE}]
        new[name] = "\n".join(kept + lines) + "\n"

    # A layer over all of /etc: a file that is mounted over one would go with
    # it when somebody else on the machine adds a user.
    top = tempfile.mkdtemp(prefix="postrider-etc-")
    mount(b"tmpfs", top.encode(), b"tmpfs", 0, b"mode=755")
    for name in ("upper", "work"):
        os.mkdir(f"{top}/{name}")
    try:
        mount(b"overlay", b"/etc", b"overlay", 0,
              f"lowerdir=/etc,upperdir={top}/upper,workdir={top}/work".encode())
    except OSError:
        for name, text in new.items():
            pathlib.Path(top, name).write_text(text)
            mount(f"{top}/{name}".encode(), f"/etc/{name}".encode(), None,
                  ms_bind)
    else:
        for name, text in new.items():
            pathlib.Path("/etc", name).write_text(text)
    libc.umount2(top.encode(), 2)  # it stays as long as it is in use
    os.rmdir(top)


def passwd_lines():
    return [f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin"
            for name, (uid, _) in USERS.items()] + [
                f"{name}:x:{uid}:{uid}::{HOMES}/{name}:/bin/sh"
                for name, uid in PEOPLE.items()]


def group_lines():
    lines = []
    try:
        grp.getgrnam("postdrop")
    except KeyError:
        lines.append(f"postdrop:x:{POSTDROP}:")
    for name, (gid, _) in USERS.items():
        members = [u for u, (_, groups) in USERS.items() if name in groups]
        lines.append(f"{name}:x:{gid}:{','.join(members)}")
    lines += [f"{name}:x:{gid}:" for name, gid in PEOPLE.items()]
    return lines


def install(build, base):
    """Installs a build below `base`; returns where commands and daemons are.

    As an installation it is where all users of the suite can reach it, which a
    build tree need not be.
    """
    root = base / "root"
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet",
                    "--destdir", root], check=True,
                   stdout=subprocess.DEVNULL)
    commands = next(root.rglob("sbin/postrider")).parent
    daemons = next(root.rglob("libexec/postrider"))
    return commands, daemons


def own_address(count=[0]):
    """An address in 127/8 that no other test has."""
    n = os.getpid() * 64 + count[0]
    count[0] += 1
    a, n = divmod(n, 254 * 254)
    b, c = divmod(n, 254)
    return f"127.{a % 240 + 10}.{b + 1}.{c + 1}"


def make_certificate(path, *names):
    """A key and its certificate in one file, which comes into place at once."""
    new = path.with_suffix(".new")
    key = path.with_suffix(".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", f"/CN={names[0]}", "-addext",
                    "subjectAltName=" + ",".join(f"DNS:{n}" for n in names),
                    "-keyout", key, "-out", new],
                   check=True, capture_output=True)
    with new.open("ab") as f:
        f.write(key.read_bytes())
    key.unlink()
    new.chmod(0o600)
    new.rename(path)
    return path


class Log:
    """The mail log of a suite."""

    LINE = re.compile(r"(?:\w{3} [ \d]\d [\d:]{8}|[\dT:.+Z-]+) \S+ "
                      r"(\S+?)\[(\d+)\]: (.*)")

    def __init__(self, path):
        self.path = path

    def text(self):
        try:
            return self.path.read_text("latin-1")
        except FileNotFoundError:
            return ""

    def lines(self, service=None):
        """(tag, pid, text) of each line, of one service or of all."""
        found = []
        for line in self.text().splitlines():
            match = self.LINE.fullmatch(line)
            if match and service in (None, match[1].split("/")[-1], match[1]):
                found.append((match[1], int(match[2]), match[3]))
        return found

    def find(self, pattern, service=None):
        """All matches of a regular expression in the lines' texts."""
        matches = (re.search(pattern, text)
                   for _, _, text in self.lines(service))
        return [m for m in matches if m]

    def wait(self, pattern, service=None, count=1, patience=PATIENCE):
        """Returns the first match, as soon as there are `count`."""
        def enough():
            found = self.find(pattern, service)
            return found if len(found) >= count else None
        return wait_for(f"{count} of /{pattern}/ in the log of "
                        f"{service or 'all'}", enough, patience)[0]


class Message:
    """A file in a mailbox."""

    def __init__(self, path):
        self.path = path
        self.data = path.read_bytes()
        head, _, self.body = self.data.partition(b"\n\n")
        self.head = re.sub(rb"\n[ \t]+", b" ", head).decode("latin-1")
        self.lines = self.data.decode("latin-1").split("\n")
        if self.lines[-1] == "":
            self.lines.pop()

    def headers(self, name):
        return [line.split(":", 1)[1].strip()
                for line in self.head.split("\n")
                if line.lower().startswith(name.lower() + ":")]

    def header(self, name):
        return self.headers(name)[0]

    def content(self):
        """What the client sent: less the lines that we put on top."""
        lines = self.data.split(b"\n")
        ours = {b"Return-Path", b"Delivered-To", b"X-Original-To",
                b"Received"}
        at = 0
        while (name := lines[at].split(b":")[0]) in ours:
            ours.remove(name)
            at += 1
            while lines[at].startswith((b" ", b"\t")):
                at += 1
        return b"\n".join(lines[at:])


class Mailbox:
    """A Maildir."""

    def __init__(self, path):
        self.path = path

    def paths(self):
        found = []
        for folder in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError):
                found += (self.path / folder).iterdir()
        return sorted(found, key=self.order)

    @staticmethod
    def order(path):
        uid = re.search(r",P\d+\.(\d+)", path.name)
        return int(uid[1]) if uid else 0, path.name

    def standing(self, read):
        """read(PATH) of all, of a moment in which no session moves one."""
        while True:
            paths = self.paths()
            with contextlib.suppress(FileNotFoundError):
                found = [read(p) for p in paths]
                if self.paths() == paths:
                    return found

    def messages(self):
        return self.standing(Message)

    def wait(self, count, patience=PATIENCE):
        """Returns the messages as soon as there are so many."""
        wait_for(f"{count} messages in {self.path}",
                 lambda: len(self.paths()) >= count, patience)
        messages = self.messages()
        if len(messages) != count:
            raise AssertionError(f"{len(messages)} messages in {self.path}, "
                                 f"not {count}")
        return messages


class Suite:
    """An instance: its configuration, its processes, its mail."""

    # Set once a test run, by prepare().
    base = None
    commands = None
    daemons = None

    def __init__(self, name="main", domain="example.test"):
        self.domain = domain
        self.name = name
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=name + "-",
                                                 dir=self.base))
        self.dir.chmod(0o755)
        self.etc = self.dir / "etc"
        self.mail = self.dir / "mail"
        self.queue_dir = self.dir / "queue"
        for path in (self.etc, self.mail, self.dir / "log"):
            path.mkdir()
        self.addr = own_address()
        self.log = Log(self.dir / "log" / "mail.log")
        self.console = self.dir / "console"
        self.process = None
        self.trouble_is_expected = False
        self.sanitizers = ""  # further options of AddressSanitizer
        self.within = []  # a command that runs others, elsewhere
        self.users = {}
        self.params = {}
        self.services = {}
        self.files = {}
        self.default_configuration()

    # Configuration.

    def default_configuration(self):
        # What a sandbox refuses is seen where it does so.
        if "POSTRIDER_SANDBOX" in os.environ:
            self.params["sandbox"] = os.environ["POSTRIDER_SANDBOX"]
        if is_root():
            owner, group, uid, gid = ("postrider", "postdrop", MAIL_UID,
                                      MAIL_UID)
            os.chown(self.mail, uid, gid)
            shutil.chown(self.dir / "log", owner, owner)
        else:
            uid, gid = os.getuid(), os.getgid()
            owner = pwd.getpwuid(uid).pw_name
            group = owner
        self.params |= {
            "queue_directory": self.queue_dir,
            "data_directory": self.dir / "data",
            "daemon_directory": self.daemons,
            "command_directory": self.commands,
            # Where the modules of tables are told of.
            "meta_directory": next((self.base / "root").rglob(
                "dynamicmaps.cf.d")).parent,
            "mail_owner": owner,
            "setgid_group": group,
            "myhostname": "mail.example.test",
            "mydestination": "",
            # Who connects from anywhere else in 127/8 is a stranger.
            "mynetworks": "127.0.0.2/32",
            # Mail stays as it was sent, to be compared.
            "local_header_rewrite_clients": "",
            "smtpd_relay_restrictions": "permit_mynetworks, "
                                        "reject_unauth_destination",
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_maps": f"texthash:{self.etc}/vmailbox",
            "virtual_mailbox_base": self.mail,
            "virtual_uid_maps": f"static:{uid}",
            "virtual_gid_maps": f"static:{gid}",
            "virtual_minimum_uid": min(uid, 100),
            "maillog_file": self.log.path,
            "maillog_file_prefixes": self.dir,
            "smtpd_client_connection_count_limit": 0,
            # Nobody is there: no test asks name servers of the machine.
            "dns_servers": f"{self.addr}@{PORT_BASE + 53}",
        }
        self.services = {
            "smtp": f"{self.addr}:{PORT_BASE + 25} inet n - n - 2000 smtpd",
            "postlog": "postlog unix-dgram n - n - 1 postlogd",
            "qmgr": "qmgr unix n - n 300 1 qmgr",
            "broker": "broker unix n - n - 1 broker",
            "virtual": "virtual unix - n n - 100 virtual",
        }

    def with_tls(self):
        """STARTTLS, and the services of those who submit mail."""
        # Some programs compare the address with the names.
        cert = make_certificate(self.etc / "cert.pem", "mail.example.test",
                                self.addr)
        self.set(smtpd_tls_security_level="may", smtpd_tls_chain_files=cert,
                 smtpd_tls_loglevel=1, smtpd_tls_received_header="yes")
        options = (" -o smtpd_tls_mandatory_protocols=>=TLSv1.2"
                   " -o local_header_rewrite_clients=static:all"
                   " -o syslog_name=postfix/$service_name -o ")
        for name, tls in (("submission", "smtpd_tls_security_level=encrypt"),
                          ("submissions", "smtpd_tls_wrappermode=yes")):
            self.services[name] = (
                f"{self.addr}:{self.port(name)} inet n - n - 100 smtpd"
                + options.replace("$service_name", name) + tls)
        return self

    def with_auth(self, **passwords):
        """Lets these users log in, also in the clear; before start()."""
        self.services["auth"] = "auth unix - - n - 1 authd"
        self.params |= {
            "auth_user_maps": f"texthash:{self.etc}/users",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, "
                                        "reject_unauth_destination",
            "auth_failure_delay": "0",
        }
        if is_root():
            self.params["auth_owner"] = "postrider-auth"
        self.write()
        for name, password in passwords.items():
            self.add_login(f"{name}@{self.domain}", password)
        return self

    def with_mailboxes(self):
        """IMAP and POP3, with TLS and without; after both of the above."""
        for name, program in (("imap", "imapd"), ("pop3", "pop3d")):
            for service, options in (
                    (name, ""),
                    (name + "s", f" -o {program}_tls_wrappermode=yes")):
                self.services[service] = (
                    f"{self.addr}:{self.port(service)} inet n - n - 2000 "
                    f"{program}{options}")
        if is_root():
            self.params["login_owner"] = "postrider-login"
        return self

    def with_lmtp(self, **params):
        """lmtpd, on a Unix socket and on a port."""
        self.services["auth"] = "auth unix - - n - 1 authd"
        self.services["lmtpd"] = "lmtpd unix - - n - 100 lmtpd"
        self.services["lmtpd-inet"] = (
            f"{self.addr}:{self.port('lmtp')} inet n - n - 100 lmtpd")
        if is_root():
            self.params["auth_owner"] = "postrider-auth"
            self.params["login_owner"] = "postrider-login"
        return self.set(**params)

    def with_lmtp_between(self):
        """Virtual mail goes by the agent lmtp to lmtpd, as it is."""
        self.services["lmtp"] = "lmtp unix - - n - 100 lmtp"
        return self.with_lmtp(virtual_transport="lmtp:unix:private/lmtpd",
                              lmtpd_add_received_header="no",
                              lmtp_line_length_limit=0)

    def with_people(self, aliases=""):
        """Users of the system with homes, and local delivery to them.

        The suite is to be started as root.
        """
        for name, uid in PEOPLE.items():
            shutil.rmtree(HOMES / name, ignore_errors=True)
            (HOMES / name).mkdir(mode=0o755)
            os.chown(HOMES / name, uid, uid)
        self.spool = self.dir / "spool"
        self.spool.mkdir(exist_ok=True)
        self.spool.chmod(0o1777)
        self.params |= {
            "mydestination": "here.test",
            "myorigin": "here.test",
            "mail_spool_directory": self.spool,
            "alias_maps": f"lmdb:{self.etc}/aliases",
            "alias_database": "$alias_maps",
        }
        self.services["local"] = "local unix - n n - 100 local"
        self.services["proxymap"] = "proxymap unix - - n - - proxymap"
        self.files["aliases"] = aliases
        self.write()
        self.new_aliases()
        return self

    def new_aliases(self, text=None):
        if text is not None:
            self.files["aliases"] = text
            (self.etc / "aliases").write_text(text, "latin-1")
        return self.run("../bin/newaliases", "-c", self.etc)

    def home(self, name):
        return HOMES / name

    def put_home(self, name, file, text, mode=0o644):
        """A file of a user's."""
        path = HOMES / name / file
        path.write_text(text, "latin-1")
        os.chown(path, PEOPLE[name], PEOPLE[name])
        path.chmod(mode)
        return path

    def mbox(self, name):
        """The messages of a mailbox file, each from its line "From " on."""
        try:
            text = (self.spool / name).read_text("latin-1")
        except FileNotFoundError:
            return []
        return re.split(r"(?m)^(?=From )", text)[1:]

    def wait_mbox(self, name, count=1):
        wait_for(f"{count} messages of {name}",
                 lambda: len(self.mbox(name)) >= count)
        return self.mbox(name)

    def add_login(self, user, password, *words):
        self.run("postuser", "-c", self.etc, "add", user, *words,
                 stdin=password.encode() + b"\n")

    def set(self, **params):
        """Parameters of main.cf; write() or reload() makes them true."""
        self.params.update(params)
        return self

    def add_user(self, *names):
        for name in names:
            self.users[name] = f"{self.domain}/{name}/"
        return self

    def write(self):
        main = "".join(f"{k} = {v}\n".replace(" = \n", " =\n")
                       for k, v in self.params.items())
        users = "".join(f"{name}@{self.domain} {place}\n"
                        for name, place in self.users.items())
        master = "".join(f"{line}\n" for line in self.services.values())
        files = {**self.files, "vmailbox": users}
        files["main.cf"] = main + self.files.get("main.cf", "")
        files["master.cf"] = master + self.files.get("master.cf", "")
        for name, text in files.items():
            self.replace(name, text)

    def replace(self, name, text):
        """A file at once; one that says this already is left alone."""
        path = self.etc / name
        if path.exists() and path.read_text("latin-1") == text:
            return
        new = self.etc / (name + ".new")
        new.write_text(text, "latin-1")
        new.rename(path)

    # Life.

    def environment(self):
        return {
            "PATH": f"{self.commands}:/usr/sbin:/usr/bin:/sbin:/bin",
            "MAIL_CONFIG": str(self.etc),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:"
                            "detect_stack_use_after_return=0:"
                            + self.sanitizers,
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        }

    def run(self, *command, ok=True, stdin=b"", **more):
        """Runs a command of the suite; what fails is an error unless not ok."""
        words = [str(self.commands / command[0]), *map(str, command[1:])]
        done = subprocess.run(words, input=stdin, capture_output=True,
                              env=self.environment(), timeout=PATIENCE * 2,
                              check=False, **more)
        done.stdout = done.stdout.decode("latin-1")
        done.stderr = done.stderr.decode("latin-1")
        if ok and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit "
                                 f"{done.returncode}\n{done.stdout}"
                                 f"{done.stderr}")
        return done

    def start(self, write=True):
        if write:
            self.write()
        # As `postrider start` does, but for the console, which stays open for
        # what sanitizers have to say.
        ready, told = os.pipe()
        with self.console.open("ab") as console, open(ready, "rb") as ready:
            self.process = subprocess.Popen(
                [*self.within, self.daemons / "master", "-c", self.etc, "-f", "-r",
                 str(told)], pass_fds=[told], stdin=subprocess.DEVNULL,
                stdout=console, stderr=console, env=self.environment(),
                start_new_session=True)
            os.close(told)
            if not select.select([ready], [], [], PATIENCE)[0]:
                raise TimeOut("the suite did not start")
            if ready.read(1) != b"R":
                self.process.wait(PATIENCE)
                raise AssertionError(f"it did not start, with status "
                                     f"{self.process.returncode}:\n"
                                     + self.console.read_text("latin-1"))
        return self

    def stop(self):
        """Ends the suite as an administrator does, and looks at its remains."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.run("postrider", "-c", self.etc, "stop")
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill_all()
                raise TimeOut("the suite did not stop") from None
        self.process = None
        wait_for("all processes to end", lambda: not self.pids())
        self.check_remains()

    def check_remains(self):
        """Sanitizers' reports and crashes fail a test even if all else is well.
        """
        report = re.search(
            r"(ERROR: (Address|Leak|Undefined)\w*Sanitizer|runtime error:)"
            r"[\s\S]{0,6000}", self.console.read_text("latin-1"))
        if report:
            raise AssertionError("a sanitizer reported:\n"
                                 + with_places(report.group()))
        if self.trouble_is_expected:
            return
        bad = [line for line in self.log.text().splitlines()
               if re.search(r"\]: (fatal|panic):|killed by signal|"
                            r"exit status [1-9]|bug:|sandbox: refused", line)]
        if bad:
            raise AssertionError("the log speaks of trouble:\n"
                                 + "\n".join(bad[:10]))

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def reload(self):
        self.write()
        before = len(self.log.find(r"^reload"))
        self.run("postrider", "-c", self.etc, "reload")
        self.log.wait(r"^reload", count=before + 1)

    def clock(self, by):
        """Moves the clock of all processes of the suite: "+61s"."""
        self.run("postrider", "-c", self.etc, "clock", by)

    def take_away(self, service):
        """Stops a service for good: its line goes, and its processes."""
        gone = self.pids(service)
        del self.services[service]
        self.reload()
        wait_for(f"{service} to end",
                 lambda: not set(gone) & set(self.pids(service)))

    def pids(self, service=None):
        """Processes of this suite: of a program or a service, or all."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    words = f.read().decode("latin-1").split("\0")[:-1]
                with open(f"/proc/{entry}/stat", encoding="latin-1") as f:
                    state = f.read().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if not words or str(self.etc) not in words or state == "Z":
                continue
            if not words[0].startswith(str(self.daemons)):
                continue
            program = os.path.basename(words[0])
            named = words[words.index("-n") + 1] if "-n" in words else ""
            if service in (None, program, named):
                found.append(int(entry))
        return found

    def kill(self, service, sig=signal.SIGKILL):
        """Sends a signal to the processes of a service; returns their ids."""
        pids = self.pids(service)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        return pids

    def kill_all(self):
        """The machine's end, as far as processes see it."""
        for pid in self.pids("master") + self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        def none_left():
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not self.pids()
        wait_for("all processes to die", none_left)
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    # Mail.

    def port(self, service="smtp"):
        offsets = {"smtp": 25, "submission": 587, "submissions": 465,
                   "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995,
                   "lmtp": 24}
        return PORT_BASE + offsets[service]

    @property
    def smtp(self):
        return self.addr, self.port("smtp")

    def wire(self, bind=None, **more):
        return Wire(self.smtp, bind, **more)

    def session(self, bind=None, helo="client.test"):
        """A connection that has said EHLO."""
        wire = self.wire(bind)
        wire.expect(220)
        wire.command(f"EHLO {helo}", 250)
        return wire

    def send(self, data, to="alice", sender="bob@client.test", bind=None):
        """Sends a message; returns its queue ID."""
        to = [to] if isinstance(to, str) else to
        to = [t if "@" in t else f"{t}@{self.domain}" for t in to]
        if isinstance(data, str):
            data = data.encode("latin-1")
        source = (bind, 0) if bind else None
        with smtplib.SMTP(*self.smtp, local_hostname="client.test",
                          timeout=PATIENCE, source_address=source) as smtp:
            smtp.ehlo_or_helo_if_needed()
            for code, text in [smtp.mail(sender)] + [smtp.rcpt(t) for t in to]:
                if code != 250:
                    raise AssertionError(f"{code} {text}")
            code, text = smtp.data(data)
        found = re.search(rb"queued as ([0-9A-Za-z]+)", text)
        if code != 250 or not found:
            raise AssertionError(f"{code} {text}")
        return found[1].decode()

    def mailbox(self, user):
        return Mailbox(self.mail / self.users[user])

    def queue(self):
        """What postqueue -j says, an object a message."""
        out = self.run("postqueue", "-c", self.etc, "-j").stdout
        return [json.loads(line) for line in out.splitlines()]

    def wait_empty(self, patience=PATIENCE):
        wait_for("the queue to be empty", lambda: not self.queue(), patience)

    def drain(self, patience=120):
        """Waits until the queue is empty; what was deferred is tried again."""
        def empty():
            left = self.queue()
            if left and all(m["queue_name"] == "deferred" for m in left):
                self.run("postqueue", "-c", self.etc, "-f")
            return not left
        wait_for("the queue to be empty", empty, patience)

    def files_in(self, *folders):
        """Files of the queue's folders, as they lie on disk."""
        found = []
        for folder in folders or ("incoming", "deferred", "hold", "corrupt"):
            top = self.queue_dir / folder
            if top.is_dir():
                found += [p for p in top.rglob("*") if p.is_file()]
        return found

    def report(self):
        """What there is to see after a failure."""
        parts = [f"suite {self.name} in {self.dir}"]
        for path in (self.console, self.log.path):
            with contextlib.suppress(OSError):
                lines = path.read_text("latin-1").splitlines()
                parts += [f"-- {path.name}, {len(lines)} lines",
                          *lines[-200:]]
        return "\n".join(parts)


def with_places(report):
    """Names functions and lines in a sanitizer's report.

    A daemon in its sandbox cannot start the program that would do it.
    """
    def place(found):
        done = subprocess.run(["addr2line", "-s", "-f", "-e", found[1],
                               found[2]], capture_output=True, text=True,
                              check=False)
        return " ".join(done.stdout.split()) or found[0]
    return re.sub(r"\((/\S+/postrider/\S+)\+(0x[0-9a-f]+)\)", place, report)


def drop_group():
    """Ends what set-permissions did to the commands, which all suites share."""
    for name in ("postdrop", "postqueue"):
        if Suite.commands and (Suite.commands / name).exists():
            (Suite.commands / name).chmod(0o755)


class Maker:
    """Makes the suites of one test, and ends them with it."""

    def __init__(self):
        self.made = []

    def make(self, name="main", users=("alice", "bob"), **params):
        prepare()
        suite = Suite(name)
        self.made.append(suite)
        return suite.add_user(*users).set(**params)

    def finish(self, failed):
        """Stops all; after a failure, returns what there is to see.

        What goes wrong only now is an AssertionError, with the same report.
        """
        errors = []
        for suite in self.made:
            try:
                suite.stop()
            except (AssertionError, OSError) as e:
                errors.append(str(e))
                suite.kill_all()
        drop_group()
        report = "\n".join(errors + [s.report() for s in self.made])
        if errors and not failed:
            raise AssertionError(report)
        if not failed:
            for suite in self.made:
                suite.remove()
        return report


def prepare():
    """Installs the build, once a run."""
    if Suite.base is None:
        base = pathlib.Path(tempfile.mkdtemp(prefix="postrider-"))
        base.chmod(0o755)
        Suite.base = base
        Suite.commands, Suite.daemons = install(BUILD, base)


def clean_up():
    """The end of a run. Returns where failed suites were kept, if any."""
    if Suite.base is None:
        return None
    shutil.rmtree(Suite.base / "root", ignore_errors=True)
    if any(Suite.base.iterdir()):
        return Suite.base
    Suite.base.rmdir()
    return None
