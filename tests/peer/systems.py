"""Systems with mail in their queues, ours and Postfix's, for tests/peer/commands.

Both get the same messages, which are all deferred, as nobody listens at their next
hop. They lie below `top`; commands are run in their directory, with MAIL_CONFIG,
and the queue IDs as $Q1, $Q2 ... in the order in which messages came.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import peers  # noqa: E402
import suite as suites  # noqa: E402

PATIENCE = 60
HOP_PORT = 2525
POSTFIX_SERVICES = """\
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
"""


def begin(build):
    suites.BUILD = build
    suites.private_users()
    suites.prepare()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    peers.SERVICES += POSTFIX_SERVICES


def end():
    suites.clean_up()


class System:
    """One of the two; ->server is a Suite or a peers.Postfix."""

    def __init__(self, server, path, version):
        self.server, self.path, self.version = server, path, version
        self.ids = []

    def fill(self, mails):
        for n, (sender, *to) in enumerate(mails, 1):
            data = f"Subject: {n}\n\nbody {n}"
            with peers.Wire(self.server.smtp, "127.0.0.2") as wire:
                wire.expect(220)
                for command in ("EHLO c.test", f"MAIL FROM:<{sender}>",
                                *(f"RCPT TO:<{rcpt}>" for rcpt in to)):
                    wire.command(command, 250)
                wire.command("DATA", 354)
                reply = wire.command(
                    data.replace("\n", "\r\n") + "\r\n.", 250)
                self.ids.append(str(reply).rsplit("queued as ", 1)[1]
                                .split()[0].rstrip("']"))
        for id, (_, *to) in zip(self.ids, mails):
            suites.wait_for("all to be deferred", lambda: len(
                self.server.log.find(rf"{id}: to=<.*status=deferred"))
                >= len(to), PATIENCE)
        suites.wait_for("none to be active", lambda: (
            b"*" not in self.shell("postqueue -p").stdout), PATIENCE)

    def shell(self, command):
        env = {"PATH": f"{self.path}:/usr/bin:/bin", "LC_ALL": "C",
               "MAIL_CONFIG": str(self.server.etc), "TZ": "UTC",
               "HOME": str(self.server.dir),
               "ASAN_OPTIONS": "detect_leaks=0"}
        env |= {f"Q{n}": id for n, id in enumerate(self.ids, 1)}
        return subprocess.run(
            ["/bin/bash", "-c", command], cwd=self.server.dir, env=env,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
            check=False)


@contextlib.contextmanager
def both(top, state, params, mails, versions):
    """Yields the two, running, or stopped (`state`: "down") with their mail."""
    hop = f"[{suites.own_address()}]:{HOP_PORT}"
    more = {"relayhost": hop, **params}
    theirs = peers.Postfix(pathlib.Path(top), **more)
    ours = suites.Suite("postrider")
    ours.services["out"] = "smtp unix - - n - 100 smtp"
    ours.set(**more)
    bins = suites.Suite.commands
    systems = [System(theirs, "/usr/sbin", versions[0]),
               System(ours, f"{bins}:{bins.parent}/bin", versions[1])]
    try:
        for system in systems:
            system.server.start()
            system.fill(mails)
            if state == "down":
                system.server.stop()
        if state == "down":  # then its tools write it as its owner
            theirs.log.path.chmod(0o666)
        yield systems
    finally:
        theirs.stop()
        if state != "down":
            ours.stop()
        ours.remove()
        shutil.rmtree(theirs.dir, ignore_errors=True)
