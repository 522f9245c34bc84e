"""A suite that relays all it gets to one next hop: ours, and Postfix."""
import contextlib
import pathlib
import shutil
import subprocess
import tempfile

import suite as suites
from wire import Wire

PORT = suites.PORT_BASE + 25
MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
daemon_directory = {daemons}
myhostname = mail.example.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
relayhost = {sink}
maillog_file = {top}/log
maillog_file_prefixes = {top}
smtpd_client_connection_count_limit = 0
"""
MASTER_CF = """\
{addr}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
retry unix - - n - - error
error unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
pickup unix n - n 60 1 pickup
postlog unix-dgram n - n - 1 postlogd
"""


class Ours:
    name = "postrider"

    def __init__(self, sink):
        self.suite = suites.Suite("relay")
        self.suite.services["out"] = "smtp unix - - n - 100 smtp"
        self.suite.set(relayhost=sink, mynetworks="127.0.0.0/8").start()
        self.addr, self.log = self.suite.addr, self.suite.log.path

    def master(self):
        return self.suite.pids("master")[0]

    def flush(self):
        self.suite.run("postqueue", "-c", self.suite.etc, "-f")

    def mailq(self):
        return self.suite.run("postqueue", "-c", self.suite.etc,
                              "-p").stdout.encode("latin-1")

    def stop(self):
        self.suite.stop()
        self.suite.remove()


class Postfix:
    name = "postfix"

    def __init__(self, sink):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="relay-"))
        self.top.chmod(0o755)
        self.addr, self.log = suites.own_address(), self.top / "log"
        self.etc = self.top / "etc"
        for path in (self.etc, self.top / "queue", self.top / "data"):
            path.mkdir()
        shutil.chown(self.top / "data", "postfix", "postfix")
        daemons = subprocess.run(["postconf", "-d", "-h", "daemon_directory"],
                                 check=True, capture_output=True,
                                 text=True).stdout.strip()
        (self.etc / "main.cf").write_text(MAIN_CF.format(
            top=self.top, daemons=daemons, sink=sink))
        (self.etc / "master.cf").write_text(MASTER_CF.format(
            addr=self.addr, port=PORT))
        self.run("start")
        suites.wait_for("Postfix to answer", self.answers)

    def answers(self):
        with contextlib.suppress(OSError), Wire((self.addr, PORT)) as wire:
            return wire.reply().code == 220

    def run(self, verb):
        subprocess.run(["postfix", "-c", self.etc, verb], check=True,
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def master(self):
        return int((self.top / "queue/pid/master.pid").read_text())

    def queue(self, option):
        return subprocess.run(["postqueue", "-c", self.etc, option],
                              check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE).stdout

    def flush(self):
        self.queue("-f")

    def mailq(self):
        return self.queue("-p")

    def stop(self):
        self.run("stop")
        shutil.rmtree(self.top, ignore_errors=True)
