"""Debian's Postfix beside ours, for tests/peer/*: the same mail through both.

    with peers.Postfix(params, services, files) as p:   # started; as a Suite:
        p.addr, p.etc, p.log, p.queue_dir, p.run(...)

Both run in the namespace of suite.private_users(), as root, on loopback.
"""
import argparse
import collections
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import suite as suites
from wire import Wire

PORT = 10025

SERVICES = """\
{addr}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
local unix - n n - - local
virtual unix - n n - - virtual
retry unix - - n - - error
error unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """An instance of Debian's, below `top`; start() and stop()."""

    def __init__(self, top, **params):
        self.dir = top / "postfix"
        self.etc, self.queue_dir = self.dir / "etc", self.dir / "queue"
        for path in (self.etc, self.queue_dir, self.dir / "data"):
            path.mkdir(parents=True)
        shutil.chown(self.dir / "data", "postfix", "postfix")
        self.addr = suites.own_address()
        self.log = suites.Log(self.dir / "log")
        daemons = subprocess.run(
            ["postconf", "-d", "-h", "daemon_directory"], check=True,
            capture_output=True, text=True).stdout.strip()
        self.params = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue_dir,
            "data_directory": self.dir / "data",
            "daemon_directory": daemons,
            "myhostname": "mail.example.test",
            "mydestination": "",
            "mynetworks": "127.0.0.2/32",
            "alias_maps": "",
            "alias_database": "",
            "maillog_file": self.log.path,
            "maillog_file_prefixes": self.dir,
            "smtp_tls_security_level": "none",
            **params}

    @property
    def smtp(self):
        return self.addr, PORT

    def run(self, *command, stdin=b"", ok=True):
        return subprocess.run(
            [str(c) for c in command], check=ok, input=stdin,
            capture_output=True, env={**os.environ,
                                      "MAIL_CONFIG": str(self.etc)})

    def answers(self):
        with contextlib.suppress(OSError), Wire(self.smtp) as wire:
            return wire.reply().code == 220

    def write(self):
        (self.etc / "main.cf").write_text("".join(
            f"{k} = {v}\n".replace(" = \n", " =\n")
            for k, v in self.params.items()))
        (self.etc / "master.cf").write_text(
            SERVICES.format(addr=self.addr, port=PORT))

    def start(self):
        self.write()
        self.run("postfix", "-c", self.etc, "start")
        suites.wait_for("Postfix to answer", self.answers)
        return self

    def stop(self):
        self.run("postfix", "-c", self.etc, "stop", ok=False)


def send(peer, sender, to, data, bind="127.0.0.2"):
    """Returns the queue ID."""
    with Wire(peer.smtp, bind) as wire:
        wire.expect(220)
        for command in ("EHLO c.test", f"MAIL FROM:<{sender}>",
                        f"RCPT TO:<{to}>"):
            wire.command(command, 250)
        wire.command("DATA", 354)
        reply = wire.command(data.replace("\n", "\r\n") + "\r\n.", 250)
    return re.search(r"queued as (\w+)", str(reply))[1]


def missing(peer, *ids):
    """What of these, and of all in the log, is neither delivered nor put off."""
    text = peer.log.text()
    begun = set(ids) | set(re.findall(r": ([0-9A-F]{6,}): (?:from=|uid=)",
                           text))
    ended = set(re.findall(r"qmgr\[\d+\]: (\w+): removed", text))
    ended |= set(re.findall(r": (\w+): to=<.*status=deferred", text))
    return begun - ended


def is_done(peer, *ids):
    return not missing(peer, *ids)


def wait(peer, what, condition):
    try:
        suites.wait_for(what, condition, 30)
    except suites.TimeOut:
        print(*peer.log.text().splitlines()[-200:], missing(peer), sep="\n",
              file=sys.stderr)
        raise


def settle(peer, *ids):
    wait(peer, "all mail to be done with", lambda: is_done(peer, *ids))


def both(ours, theirs):
    """Runs two functions, of a directory, and returns what they found."""
    options = argparse.ArgumentParser()
    options.add_argument("--build", default="build")
    suites.BUILD = suites.TOP / options.parse_args().build
    suites.private_users()
    suites.prepare()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    directory = pathlib.Path(tempfile.mkdtemp(prefix="peer-"))
    directory.chmod(0o755)
    try:
        return ours(directory), theirs(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        suites.clean_up()


def compare(rows, here, there):
    """Prints what differs; 1 if a row does for no reason. rows: name: why."""
    wrong = 0
    for name, meant in rows.items():
        a, b = ([x] if isinstance(x, str) else x or []
                for x in (here.get(name), there.get(name)))
        wrong += a != b and not meant
        print(f"{name}: {'same' if a == b else meant or 'DIFFERS'}")
        for who, only in (("here", collections.Counter(a) -
                           collections.Counter(b)),
                          ("Postfix", collections.Counter(b) -
                           collections.Counter(a))):
            for line in only.elements():
                print(f"    {who + ':':<9}{line}")
    return bool(wrong)
