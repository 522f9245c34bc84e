"""posttls-finger: what a server's TLS is, and whether it is whom one asked for."""
import re
import ssl

import pytest

from nexthop import NextHop
from pki import PKI, as_print, digest, key_digest
from signed import SignedNameServer
from suite import PORT_BASE, own_address

SUMMARY = (r"TLS connection established to (\S+): TLSv1\.3 with cipher TLS_\w+ "
           r"\(256/256 bits\) key-exchange X25519 server-signature RSA-PSS "
           r"\(2048 bits\)(?: server-digest SHA256)?$")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    made = PKI(tmp_path_factory.mktemp("pki") / "ca")
    made.leaf("mx", "DNS:mx.demo.test", "DNS:*.wild.test")
    made.path.parent.chmod(0o755)
    return made


@pytest.fixture
def site(make_suite):
    suite = make_suite()
    suite.write()
    return suite


@pytest.fixture
def hop(pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path / "mx.pem")
    with NextHop(own_address(), tls=context,
                 extensions=["PIPELINING", "STARTTLS"]) as hop:
        yield hop


def finger(suite, *args, status=0):
    """Its lines, without its name."""
    done = suite.run("posttls-finger", *args, ok=False)
    assert done.returncode == status, done
    lines = done.stdout.splitlines()
    assert all(line.startswith("posttls-finger: ") for line in lines), lines
    return [line.removeprefix("posttls-finger: ") for line in lines]


def verdict(lines):
    """The first word of the line that sums it up, and what it is about."""
    return next((line.split()[0], found[1]) for line in lines
                if (found := re.search(SUMMARY, line)))


def test_our_own_server_is_told_of(make_suite):
    a = make_suite().with_tls().start()
    where = f"[{a.addr}]:{a.smtp[1]}"
    lines = finger(a, "-l", "may", where)
    assert lines[0] == f"Connected to {a.addr}[{a.addr}]:{a.smtp[1]}"
    assert "> STARTTLS" in lines and lines[-1].startswith("< 221 ")
    assert lines.count("< 250-PIPELINING") == 2  # in the clear, and by TLS
    assert verdict(lines)[0] == "Untrusted"
    lines = finger(a, "-c", "-l", "fingerprint", where,
                   as_print(key_digest(a.etc / "cert.pem")))
    assert verdict(lines)[0] == "Verified"
    # From the first byte, and what came of the first session.
    lines = finger(a, "-c", "-w", "-l", "may",
                   f"[{a.addr}]:{a.port('submissions')}")
    assert verdict(lines)[0] == "Untrusted"


def test_a_session_is_resumed(make_suite):
    # A ticket is good for the process that gave it.
    a = make_suite().with_tls().set(service_workers=1).start()
    lines = finger(a, "-c", "-r", "1", "-l", "may", f"[{a.addr}]:{a.smtp[1]}")
    assert any(line.endswith(": Reusing old session") for line in lines)
    assert lines[-1] == "Found a previously used server.  Done reconnecting."


@pytest.mark.parametrize("args, who, said", [
    (["-l", "encrypt"], "Untrusted", None),
    (["-l", "encrypt", "-F", "CA"], "Trusted", None),
    (["-l", "verify", "-F", "CA", "HOP", "mx.demo.test"], "Verified",
     "matched peername: mx.demo.test"),
    (["-l", "verify", "-F", "CA", "HOP", "x.wild.test"], "Verified",
     "matched peername: *.wild.test"),
    (["-l", "verify", "-F", "CA", "HOP", "wild.test"], "Untrusted",
     "num=62:hostname mismatch"),
    (["-l", "secure", "-F", "CA"], "Untrusted", "num=62:hostname mismatch"),
    (["-l", "verify", "HOP", "mx.demo.test"], "Untrusted",
     "untrusted issuer /O=Demo/CN=Demo CA"),
    (["-l", "verify", "-A", "CA", "HOP", "mx.demo.test"], "Verified",
     "Matched trust anchor at depth 1"),
    (["-l", "fingerprint", "HOP", "PRINT"], "Verified",
     "Matched fingerprint: "),
    (["-l", "fingerprint", "-d", "sha1", "HOP", "SHA1"], "Verified",
     "Matched fingerprint: "),
    (["-l", "fingerprint", "HOP", "AA:BB"], "Untrusted",
     "all fingerprints unusable"),
])
def test_levels(site, hop, pki, args, who, said):
    mx = pki.path / "mx.crt"
    words = {"CA": pki.ca, "HOP": hop.hop, "PRINT": as_print(digest(mx)),
             "SHA1": as_print(digest(mx, "sha1"))}
    lines = finger(site, "-c", *(words.get(a, a) for a in args),
                   *([] if "HOP" in args else [hop.hop]))
    address, port = hop.address
    assert verdict(lines) == (who, f"{address}[{address}]:{port}")
    assert said is None or any(said in line for line in lines), lines


def test_the_chain_is_printed(site, hop, pki):
    done = site.run("posttls-finger", "-c", "-C", "-L", "none", "-l", "may",
                    hop.hop)
    text = done.stdout
    assert text.startswith("\n---\nCertificate chain\n 0 subject: /CN=mx.demo.")
    assert text.count("-----BEGIN CERTIFICATE-----") == 2
    leaf = (pki.path / "mx.crt").read_text()
    assert leaf[leaf.index("-----BEGIN"):] in text
    assert f"   cert digest={as_print(digest(pki.ca))}\n" in text


@pytest.mark.parametrize("said, last", [
    ({"connect": "554 no"}, "SMTP service not available: 554 no"),
    ({"ehlo": "502 no"}, "EHLO rejected: 502 no"),
    ({"starttls": "454 later"}, "STARTTLS rejected: 454 later"),
    # What stands behind the answer may be somebody else's.
    ({"starttls": "220 go\r\n250 more"}, "spoke before the handshake"),
])
def test_who_does_not_want(site, said, last):
    with NextHop(own_address(), extensions=["STARTTLS"], **said) as hop:
        assert finger(site, hop.hop)[-1].endswith(last)


def test_words_of_a_server_give_a_terminal_no_orders(site):
    with NextHop(own_address(), connect="220 \x1b[2Jgone") as hop:
        assert "< 220 ?[2Jgone" in finger(site, "-l", "none", hop.hop)


def test_who_cannot_be_asked(site):
    assert finger(site, "-l", "bogus", "x", status=1) == [
        'fatal: Invalid TLS level "bogus"']
    done = site.run("posttls-finger", ok=False)
    assert done.returncode == 1 and done.stderr.startswith("usage: ")
    lines = finger(site, "-c", f"[{site.addr}]:1")
    assert lines == [f"Failed to establish session to [{site.addr}]:1 via "
                     f"{site.addr}: connect to {site.addr}[{site.addr}]:1: "
                     "Connection refused"]


@pytest.fixture
def names(site, hop, pki):
    """Of signed zones, and of one that is not."""
    key, port = key_digest(pki.path / "mx.crt"), hop.address[1]
    at = {"mx.demo.test": b"\3\1\1" + key, "mx.bad.test": b"\3\1\1" + b"x" * 32,
          "a.wild.test": b"\2\0\1" + digest(pki.ca),
          "mx.open.test": b"\3\1\1" + key}
    records = {(f"_{port}._tcp.{host}", "TLSA"): [v] for host, v in at.items()}
    records.update({(h, "A"): [hop.address[0]] for h in (*at, "mx.none.test")})
    records.update({(d, "MX"): [(10, f"mx.{d}")] for d in (
        "demo.test", "bad.test", "none.test", "open.test")})
    records.update({("wild.test", "MX"): [(10, "a.wild.test")],
                    ("half.test", "MX"): [(10, "mx.demo.test")]})
    with SignedNameServer(site.addr, PORT_BASE + 53, records, [
            "demo.test", "bad.test", "wild.test", "none.test"]) as server:
        anchors = site.etc / "anchors"
        anchors.write_text(server.anchors())
        site.set(dns_trust_anchor_file=anchors).write()
        yield server


@pytest.mark.parametrize("domain, who, said", [
    ("demo.test", "Verified", "Matched DANE EE certificate at depth 0: 3 1 1 "),
    ("wild.test", "Verified", "Matched DANE TA certificate at depth 1: 2 0 1 "),
    ("bad.test", "Untrusted", "num=65:no matching DANE TLSA records"),
    ("none.test", "Untrusted", "num=62:hostname mismatch"),
    # Signed records of the server, unsigned ones of the domain.
    ("half.test", "Trusted", "MX RRset insecure: log verified as trusted"),
    # Nobody knows whether such records are true, and they do not count.
    ("open.test", "Untrusted", "num=62:hostname mismatch"),
])
def test_dane(site, hop, names, domain, who, said):
    lines = finger(site, "-c", f"{domain}:{hop.address[1]}")
    assert verdict(lines)[0] == who
    assert any(said in line for line in lines), lines


def test_a_false_answer_is_none(site, hop, names):
    """A signature that does not fit: then no mail would be sent."""
    where = f"demo.test:{hop.address[1]}"
    for zone in names.zones:
        zone.private = type(zone)("other.test").private
    lines = finger(site, "-c", where)
    assert len(lines) == 1 and lines[0].startswith(
        "Destination address lookup failed: ")


@pytest.mark.root
def test_root_reads_its_files_and_is_nobody_then(site, hop, pki):
    """The socket of a server that only root may reach is not reached."""
    path = site.etc / "lmtp.sock"
    key = site.etc / "own.pem"
    key.write_bytes((pki.path / "mx.pem").read_bytes())
    key.chmod(0o600)
    site.etc.chmod(0o755)
    with NextHop(str(path), lmtp=True, extensions=["STARTTLS"]):
        path.chmod(0o700)
        assert finger(site, "-c", "-S", f"unix:{path}")[-1].endswith(
            f"[{path}]: Permission denied")
    lines = finger(site, "-c", "-l", "encrypt", "-H", key, hop.hop)
    assert verdict(lines)[0] == "Untrusted"
