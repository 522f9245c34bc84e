"""Two suites in two networks of their own, with a cable between them."""
import ctypes
import imaplib
import os
import smtplib
import ssl
import subprocess
import threading

import pytest

from nameserver import NameServer
from suite import PATIENCE, PORT_BASE, wait_for

pytestmark = pytest.mark.root

CLONE_NEWNET = 0x40000000
A, B = "10.99.71.1", "10.99.71.2"


def ip(*words, ok=True):
    return subprocess.run(["ip", *words], check=ok, capture_output=True,
                          text=True)


class Network:
    """A namespace; what is done within() it sees no other network."""

    def __init__(self, name):
        self.name = f"{name}-{os.getpid()}"
        ip("netns", "add", self.name)
        self.run("link", "set", "lo", "up")

    def run(self, *words):
        ip("-n", self.name, *words)

    def remove(self):
        ip("netns", "del", self.name, ok=False)

    def within(self, fn):
        """What fn returns, or raises, in a thread that has moved there."""
        outcome = []

        def work():
            libc = ctypes.CDLL(None, use_errno=True)
            try:
                with open(f"/run/netns/{self.name}", "rb") as f:
                    if libc.setns(f.fileno(), CLONE_NEWNET) < 0:
                        raise OSError(ctypes.get_errno(), "setns")
                outcome.extend((fn(), None))
            except BaseException as e:  # for who asked
                outcome.extend((None, e))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if outcome[1]:
            raise outcome[1]
        return outcome[0]


@pytest.fixture
def networks():
    """Two of them, one end of a cable in each."""
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True,
                           check=False, text=True)
    assert probe.returncode == 0, (
        f"this kernel makes no network: {probe.stderr.strip()}")
    made, ends = [], [f"pr{os.getpid()}a", f"pr{os.getpid()}b"]
    try:
        for name in ("a", "b"):
            made.append(Network(name))
        made[0].run("link", "add", ends[0], "type", "veth", "peer", "name",
                    ends[1], "netns", made[1].name)
        for network, end, addr in zip(made, ends, (A, B)):
            network.run("addr", "add", f"{addr}/24", "dev", end)
            network.run("link", "set", end, "up")
        yield made
    finally:
        for network in made:
            network.remove()
        left = ip("netns", "list").stdout
        assert not [n for n in made if n.name in left.split()]


@pytest.fixture
def pair(networks, make_suite):
    """a.test and b.test; they end before their networks do."""
    suites = []
    for network, domain, user, addr in zip(
            networks, ("a.test", "b.test"), ("alice", "bob"), (A, B)):
        suite = make_suite(domain[0], users=[user])
        suite.domain, suite.addr = domain, addr
        suite.within = ["nsenter", f"--net=/run/netns/{network.name}"]
        suite.default_configuration()
        suite.set(myhostname=f"mx.{domain}",
                  dns_servers=f"{A}@{PORT_BASE + 53}",
                  smtp_tcp_port=PORT_BASE + 25)
        suite.users = {user: f"{domain}/{user}/"}
        suite.with_tls().with_auth(**{user: "secret"}).with_mailboxes()
        suite.services["out"] = "smtp unix - - n - 100 smtp"
        suite.services["dnsd"] = "dnsd unix - - n - 1 dnsd"
        suites.append(suite)
    yield suites
    for suite in suites:
        suite.stop()


def trusting():
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def submit(suite):
    with smtplib.SMTP(suite.addr, suite.port("submission"), "laptop.a.test",
                      timeout=PATIENCE) as smtp:
        smtp.starttls(context=trusting())
        smtp.login("alice@a.test", "secret")
        smtp.sendmail("alice@a.test", ["bob@b.test"],
                      "From: alice@a.test\r\nTo: bob@b.test\r\n"
                      "Subject: over the cable\r\n\r\nhello\r\n")


def fetch(suite):
    """The first message, as IMAP gives it."""
    with imaplib.IMAP4_SSL(suite.addr, suite.port("imaps"),
                           ssl_context=trusting(), timeout=PATIENCE) as imap:
        imap.login("bob@b.test", "secret")
        if imap.select("INBOX")[1] == [b"0"]:
            return None
        return imap.fetch("1", "(RFC822)")[1][0][1].decode()


def test_alice_submits_in_one_network_and_bob_reads_in_another(networks, pair):
    (here, there), (a, b) = networks, pair
    name_server = here.within(lambda: NameServer(A, PORT_BASE + 53, {
        ("b.test", "MX"): [(10, "mx.b.test")], ("mx.b.test", "A"): [B],
        ("a.test", "MX"): [(10, "mx.a.test")], ("mx.a.test", "A"): [A]}))
    with name_server:
        a.set(smtp_tls_security_level="encrypt", smtp_tls_loglevel="1").start()
        b.start()
        here.within(lambda: submit(a))
        text = there.within(lambda: wait_for("bob's mail", lambda: fetch(b)))
    assert "\r\nSubject: over the cable\r\n" in text
    assert text.endswith("\r\n\r\nhello\r\n")
    first, second = [r.split("Received: ")[0]
                     for r in text.split("Received: ")[1:3]]
    for hop in (first, second):  # the last is on top
        assert "using TLSv1.3" in hop
    assert f"from mx.a.test (unknown [{A}])" in first and "ESMTPS" in first
    assert "from laptop.a.test" in second and "ESMTPSA" in second
    a.log.wait(r"sasl_method=PLAIN, sasl_username=alice@a\.test", "smtpd")
    a.log.wait(rf"to=<bob@b\.test>, relay=mx\.b\.test\[{B}\]:10025, .*"
               "status=sent")
    a.log.wait(rf"TLS connection established to mx\.b\.test\[{B}\]:10025: "
               "TLSv1.3")
    a.wait_empty()
