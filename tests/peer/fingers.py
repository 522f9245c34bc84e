"""Servers for the tables of posttls-finger: of TLS, and of names.

What they are is the same for both sides. Names are asked of a server at port 53, as
Postfix asks no other: it is named in a /etc/resolv.conf that is seen by the command
alone, and in main.cf for us. Tables have @ADDR@, and the digests of certificates.
"""
import contextlib
import os
import pathlib
import ssl
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from nexthop import DROP, SILENT, NextHop  # noqa: E402
from pki import PKI, as_print, der, digest, key_digest  # noqa: E402
from signed import SignedNameServer  # noqa: E402

TLS = {  # port: the certificate it shows
    2525: "mx", 2526: "self", 2532: "expired", 2533: "early", 2534: "client",
    2535: "address", 2536: "unnamed", 2537: "many",
}
REPLIES = {  # port: what it says else
    2540: {"ehlo": "502 no"},
    2541: {"connect": DROP},
    2542: {"connect": SILENT},
    2543: {"ehlo": DROP},
    2544: {"ehlo": SILENT},
    2545: {"extensions": ["STARTTLS"], "starttls": DROP},
    2546: {"extensions": ["STARTTLS"], "starttls": SILENT},
    2547: {"quit": DROP},
    2548: {"quit": SILENT},
    2549: {"connect": "421 busy"},
    2550: {"connect": "garbage"},
    2551: {"connect": "220-hello\r\n220 there", "ehlo": "500 5.5.1 what"},
    2552: {"extensions": ["STARTTLS"], "starttls": "454 not now"},
    2553: {"extensions": ["STARTTLS"]},  # and no TLS
    2554: {"extensions": ["DSN"]},
    2555: {"extensions": ["STARTTLS"], "starttls": "220 go\r\n250 more"},
    2556: {"connect": "554 go away"},
    2557: {"extensions": ["starttls with words", "X\x1b[31mred"]},
}
SIGNED = ["demo.test", "wild.test", "ta.test", "bad.test", "odd.test",
          "fail.test", "none.test", "alias.test", "two.test", "null.test",
          "outside.test", "away.test"]


def context(pem, **more):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def at_once(session):
    """TLS from the first byte."""
    session.start_tls()
    return "220 hop.test ESMTP"


def certificates(pki):
    pki.leaf("mx", "DNS:mx.demo.test", "DNS:*.wild.test")
    pki.leaf("expired", "DNS:mx.demo.test",
             dates=("20200101000000Z", "20210101000000Z"))
    pki.leaf("early", "DNS:mx.demo.test",
             dates=("20900101000000Z", "20910101000000Z"))
    pki.leaf("client", "DNS:mx.demo.test", usage="clientAuth")
    pki.leaf("address", "DNS:other.test", "IP:127.0.0.1", "IP:127.0.0.9")
    pki.leaf("unnamed", subject="/O=Nobody")
    pki.leaf("many", *(f"DNS:h{i}.demo.test" for i in range(50)))
    alone = PKI(pki.path / "alone", "/CN=self.test")
    (pki.path / "self.pem").write_bytes(
        alone.key.read_bytes() + alone.ca.read_bytes())


def records(addr, pki):
    leaf, key = pki.path / "mx.crt", key_digest(pki.path / "mx.crt")
    at = {"mx.demo.test": [b"\3\1\1" + key],
          "a.wild.test": [b"\2\0\1" + digest(pki.ca)],
          "b.wild.test": [b"\2\1\1" + key_digest(pki.ca)],
          "c.wild.test": [b"\3\0\1" + digest(leaf), b"\3\1\1" + b"y" * 32],
          "d.wild.test": [b"\2\0\0" + der(pki.ca)],
          "e.wild.test": [b"\3\0\2" + digest(leaf, "sha512")],
          "mx.ta.test": [b"\2\0\1" + digest(pki.ca)],
          "mx.bad.test": [b"\3\1\1" + b"x" * 32],
          # A resolver gives records in any order: one of each fault.
          "mx.odd.test": [b"\1\1\1" + b"x" * 32, b"\3\1\1short"],
          "mx.elsewhere.test": [b"\3\1\1" + key]}
    made = {(f"_2525._tcp.{host}", "TLSA"): v for host, v in at.items()}
    made.update({(host, "A"): [addr] for host in [
        *at, "mx.fail.test", "mx.none.test"]})
    made.update({(f"{d}.test", "MX"): [(10, f"mx.{d}.test")] for d in (
        "demo", "ta", "bad", "odd", "fail", "none", "alias", "elsewhere")})
    made.update({
        ("_2525._tcp.mx.fail.test"): "SERVFAIL",
        ("mx.alias.test", "CNAME"): ["mx.demo.test"],
        ("wild.test", "MX"): [(10, "a.wild.test")],
        ("two.test", "MX"): [(10, "dead.two.test"), (20, "mx.demo.test")],
        ("dead.two.test", "A"): ["127.255.255.254"],
        ("null.test", "MX"): [(0, "")],
        ("outside.test", "MX"): [(10, "mx.elsewhere.test")],
        ("away.test", "MX"): [(10, "mx.away.test")],
        ("mx.away.test", "CNAME"): ["mx.elsewhere.test"],
        # Its MX records are not signed, its server's are.
        ("unsigned.test", "MX"): [(10, "mx.demo.test")],
    })
    return made


@contextlib.contextmanager
def serving(top):
    """Yields what stands for @...@ in a table."""
    addr = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 254}.9"
    pki = PKI(top / "pki")
    certificates(pki)
    top.chmod(0o755)
    mx = pki.path / "mx.crt"
    with contextlib.ExitStack() as stack:
        for port, name in TLS.items():
            stack.enter_context(NextHop(
                addr, port, tls=context(pki.path / f"{name}.pem"),
                extensions=("PIPELINING", "SIZE 1", "STARTTLS", "DSN")))
        stack.enter_context(NextHop(
            addr, 2560, tls=context(pki.path / "mx.pem"), connect=at_once))
        stack.enter_context(NextHop(
            addr, 2561, extensions=["STARTTLS"],
            tls=context(pki.path / "mx.pem",
                        maximum_version=ssl.TLSVersion.TLSv1_2)))
        for port, said in REPLIES.items():
            stack.enter_context(NextHop(addr, port, **said))
        server = stack.enter_context(SignedNameServer(
            addr, 53, records(addr, pki), SIGNED))
        (top / "anchors").write_text(server.anchors())
        (top / "resolv.conf").write_text(f"nameserver {addr}\n")
        for path in (pki.path, *pki.path.glob("*")):
            path.chmod(path.stat().st_mode | 0o055)
        yield {"@ADDR@": addr, "@PKI@": str(pki.path), "@TOP@": str(top),
               "@PRINT@": as_print(digest(mx)),
               "@SHA1@": as_print(digest(mx, "sha1")),
               "@KEYPRINT@": as_print(key_digest(mx)).lower()}


def seen_with(top, command):
    """A command that sees another /etc/resolv.conf."""
    return (["unshare", "-m", "/bin/sh", "-c",
             "mount --make-rprivate / && mount --bind \"$0\" /etc/resolv.conf"
             " && exec /bin/bash -c \"$1\"", f"{top}/resolv.conf", command])
