"""What `postrider check` finds without running anything: a test for each kind."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

import suite as suites
from nameserver import NameServer

root = pytest.mark.root


def check(suite, *options):
    """The lines of `postrider check` and whether it was content."""
    done = suite.run("postrider", "-c", suite.etc, "check", *options, ok=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert all(re.match(r"(error|warning|note): .", line) for line in lines)
    has_errors = any(line.startswith("error: ") for line in lines)
    assert done.returncode == (1 if has_errors else 0)
    return lines


def found(lines, level, *words):
    """The one line of a level that has all these words."""
    some = [line for line in lines if line.startswith(level + ": ")
            and all(w in line for w in words)]
    assert len(some) == 1, (level, words, lines)
    return some[0]


def none(lines, *words):
    assert not [line for line in lines if all(w in line for w in words)]


def line_of(suite, text, file="main.cf"):
    lines = (suite.etc / file).read_text().splitlines()
    return f"{file}:" + str(1 + next(
        n for n, line in enumerate(lines) if line.startswith(text)))


@pytest.fixture
def written(make_suite):
    """A suite whose queue is there, as after its first start."""
    def make(**params):
        suite = make_suite(**params)
        suite.write()
        suite.run("postrider", "-c", suite.etc, "set-permissions")
        return suite
    return make


def test_nothing_is_wrong_with_what_is_right(written):
    lines = check(written())
    assert not [line for line in lines if not line.startswith("note: ")]


# Parameters.

def test_each_wrong_value_is_told_of_not_the_first_alone(written):
    suite = written(smtpd_delay_reject="perhaps", minimal_backoff_time="soon")
    lines = check(suite)
    found(lines, "error", line_of(suite, "smtpd_delay_reject"), "perhaps")
    found(lines, "error", line_of(suite, "minimal_backoff_time"), "soon")


def test_a_wrong_value_of_a_service_has_its_line(written):
    suite = written()
    suite.services["smtp"] += " -o smtpd_delay_reject=perhaps"
    suite.write()
    found(check(suite), "error", line_of(suite, f"{suite.addr}:", "master.cf"),
          "smtpd_delay_reject", "perhaps")


def test_an_unused_name_of_a_service_is_told_of(written):
    suite = written()
    suite.services["smtp"] += " -o smtpd_delay_rejct=yes"
    suite.write()
    found(check(suite), "warning", "master.cf: unused parameter: "
          "smtpd_delay_rejct=yes")


def test_a_value_that_check_itself_needs_is_one_of_several(written):
    suite = written()
    suite.set(sandbox="perhaps", smtpd_delay_reject="perhaps")
    suite.write()
    lines = check(suite)
    found(lines, "error", line_of(suite, "sandbox"), "enforce")
    found(lines, "error", line_of(suite, "smtpd_delay_reject"))


def test_a_main_cf_that_is_none(written):
    suite = written()
    (suite.etc / "main.cf").write_text("a = b\nnonsense\n")
    found(check(suite), "error", "main.cf:2: ")
    (suite.etc / "main.cf").unlink()
    found(check(suite), "error", "main.cf")


# master.cf.

def test_a_program_that_is_yet_to_come_is_a_note(written):
    suite = written()
    suite.services["x"] = "x unix - n n - - pipe flags=R argv=/bin/true"
    suite.write()
    found(check(suite), "note", "service x: program pipe")


def test_a_master_cf_that_is_missing(written):
    suite = written()
    (suite.etc / "master.cf").unlink()
    found(check(suite), "error", "master.cf: No such file")


def test_each_line_of_master_cf_is_looked_at(written):
    suite = written()
    suite.services["x"] = "x tcp n - n - - smtpd"
    suite.services["y"] = "y unix n"
    suite.write()
    lines = check(suite)
    found(lines, "error", line_of(suite, "x tcp", "master.cf"), "tcp")
    found(lines, "error", line_of(suite, "y unix", "master.cf"), "unpriv")


def test_a_service_that_stands_twice(written):
    suite = written()
    suite.services["again"] = "qmgr unix n - n 300 1 qmgr"
    suite.write()
    found(check(suite), "warning", line_of(suite, "qmgr", "master.cf"),
          "qmgr/unix", "has no effect")


def test_two_services_at_one_address(written):
    suite = written()
    suite.services["again"] = f"[{suite.addr}]:{suite.port()} inet n - n - - smtpd"
    suite.write()
    found(check(suite), "error",
          line_of(suite, "[" + suite.addr, "master.cf"),
          f"{suite.addr}:{suite.port()}", "take one of them out")


def test_what_chroot_says_is_not_what_confines(written):
    found(check(written()), "note", "master.cf:1", "chroot")


# Ports.

def test_a_port_that_somebody_has(written):
    suite = written()
    with socket.create_server(suite.smtp):
        found(check(suite), "error", "master.cf:1", "Address already in use",
              f"{suite.addr}:{suite.port()}")
    none(check(suite), "already in use")


def test_our_own_listeners_are_no_fault(suite):
    none(check(suite), "cannot listen")


def test_an_address_that_is_not_here(written):
    suite = written()
    suite.services["x"] = "192.0.2.1:10025 inet n - n - - smtpd"
    suite.write()
    found(check(suite), "error", "192.0.2.1:10025", "no such address")


# Users.

@root
@pytest.mark.parametrize("name", ["net_owner", "login_owner", "auth_owner",
                                  "default_privs", "setgid_group"])
def test_a_user_that_is_not_there(written, name):
    suite = written()
    suite.set(**{name: "nosuch"})
    suite.write()
    found(check(suite), "error", line_of(suite, name), name, "nosuch")


@root
def test_users_that_are_to_be_apart(written):
    suite = written()
    suite.set(net_owner="postrider", login_owner="root")
    suite.write()
    lines = check(suite)
    found(lines, "warning", line_of(suite, "net_owner"), "mail_owner")
    found(lines, "error", line_of(suite, "login_owner"), "is root")


@root
def test_the_user_of_a_pipe(written):
    suite = written()
    suite.services["x"] = ("x unix - n n - - pipe flags=R user=nosuch:nogrp "
                           "argv=/bin/true")
    suite.write()
    lines = check(suite)
    place = line_of(suite, "x unix", "master.cf")
    found(lines, "warning", place, "user=nosuch")
    found(lines, "warning", place, "no group nogrp")


# Files.

@root
def test_mail_of_another_machine_gets_its_owner(written):
    """As after a restore where users have other numbers."""
    suite = written()
    mail = suite.queue_dir / "deferred" / "ABC-1"
    ours = suite.queue_dir / "deferred" / "ABC-2"
    cache = suite.dir / "data" / "cache"
    for path in (mail, ours, cache):
        path.write_text("x")
        os.chown(path, 9999, 9999)
    net = suites.USERS["postrider-net"][0]
    os.chown(ours, net, net)
    suite.run("postrider", "-c", suite.etc, "set-permissions")
    owner = suites.USERS["postrider"][0]
    assert [(p.stat().st_uid, p.stat().st_gid) for p in (mail, ours, cache)] \
        == [(owner, net), (net, net), (owner, owner)]


@pytest.mark.parametrize("name", ["incoming", "deferred", "maildrop",
                                  "private", "public"])
def test_a_folder_of_the_queue_that_others_may_enter(written, name):
    suite = written()
    (suite.queue_dir / name).chmod(0o777)
    line = found(check(suite), "error", f"{name}: has mode 0777")
    assert "set-permissions" in line
    suite.run("postrider", "-c", suite.etc, "set-permissions")
    none(check(suite), "error: ")


def test_a_folder_of_the_queue_that_is_missing(written):
    suite = written()
    (suite.queue_dir / "hold").rmdir()
    found(check(suite), "error", "queue/hold: No such file")


@root
def test_who_owns_the_queue_and_the_data(written):
    suite = written()
    os.chown(suite.queue_dir / "deferred", 0, 0)
    os.chown(suite.dir / "data", suites.MAIL_UID, 0)
    lines = check(suite)
    found(lines, "error", "queue/deferred: belongs to 0:0")
    found(lines, "error", f"data: belongs to {suites.MAIL_UID}:0")


@root
def test_commands_without_their_group(written):
    suite = written()
    for name in ("postdrop", "postqueue"):
        command = suite.commands / name
        command.chmod(0o755)
        found(check(suite), "warning", f"{name}: has group", "mode 0755")
        suite.run("postrider", "-c", suite.etc, "set-permissions")
        assert command.stat().st_mode & 0o7777 == 0o2755
    none(check(suite), "warning: ")


def test_a_configuration_that_others_may_change(written):
    suite = written()
    (suite.etc / "main.cf").chmod(0o664)
    found(check(suite), "warning", "etc/main.cf: has mode 0664")
    (suite.etc / "main.cf").chmod(0o644)
    suite.etc.chmod(0o757)
    found(check(suite), "warning", "etc: has mode 0757")


@root
def test_a_configuration_that_is_somebodys(written):
    suite = written()
    os.chown(suite.etc / "master.cf", suites.MAIL_UID, 0)
    found(check(suite), "warning", "etc/master.cf: belongs to user "
          f"{suites.MAIL_UID}")


def test_a_file_of_the_configuration_that_leads_nowhere(written):
    suite = written()
    (suite.etc / "gone").symlink_to("/nonexistent/x")
    found(check(suite), "warning", "etc/gone: No such file")


def test_a_queue_that_is_yet_to_be_made(make_suite):
    suite = make_suite()
    suite.write()
    found(check(suite), "note", f"{suite.queue_dir} is made at the first start")


def test_a_queue_in_memory(written):
    """It is gone with the machine; and no sync makes a name durable there."""
    suite = written()
    place = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        place.chmod(0o755)
        suite.set(queue_directory=place / "queue")
        suite.write()
        suite.run("postrider", "-c", suite.etc, "set-permissions")
        found(check(suite), "warning", f"queue_directory {place}/queue",
              "may not make its name durable")
    finally:
        shutil.rmtree(place)


# Tables.

@pytest.mark.parametrize("table", ["texthash:/nonexistent/x", "lmdb:{etc}/x",
                                   "cidr:{etc}", "pcre:/nonexistent/x"])
def test_a_table_that_does_not_open(written, table):
    suite = written()
    table = table.format(etc=suite.etc)
    suite.set(smtpd_client_restrictions=f"check_client_access {table}",
              canonical_maps=table)
    suite.write()
    lines = check(suite)
    for name in ("smtpd_client_restrictions", "canonical_maps"):
        found(lines, "error", line_of(suite, name), f"{name}: {table}: ")


def test_a_table_of_a_service(written):
    suite = written()
    suite.services["smtp"] += " -o canonical_maps=texthash:/nonexistent/x"
    suite.write()
    found(check(suite), "error", "master.cf:1: canonical_maps: ",
          "/nonexistent/x")


def test_a_table_that_is_not_used_yet_is_no_error(written):
    suite = written()
    suite.set(postscreen_cache_map="lmdb:/nonexistent/x")
    suite.write()
    none(check(suite), "/nonexistent/x: No such")


def test_a_database_that_is_older_than_its_source(written):
    suite = written()
    source = suite.etc / "canonical"
    source.write_text("a@example.test b@example.test\n")
    suite.set(canonical_maps=f"lmdb:{source}")
    suite.write()
    suite.run("postmap", "-c", suite.etc, f"lmdb:{source}")
    none(check(suite), "older")
    made = source.with_suffix(".lmdb")
    now = made.stat().st_mtime
    os.utime(source, (now + 5, now + 5))
    found(check(suite), "warning", line_of(suite, "canonical_maps"),
          f"database {made} is older than source file {source}",
          f"postmap lmdb:{source}")


@root
def test_who_reads_a_file_with_a_database_password(written):
    suite = written()
    path = suite.etc / "virtual.cf"
    path.write_text("user = mail\npassword = x\ndbname = mail\n"
                    "hosts = 127.0.0.1\nquery = SELECT 1 WHERE '%s' = ''\n")
    suite.set(virtual_alias_maps=f"proxy:pgsql:{path}")
    suite.write()
    place = line_of(suite, "virtual_alias_maps")
    path.chmod(0o644)
    found(check(suite), "warning", place, str(path), "everybody may read it")
    path.chmod(0o600)
    found(check(suite), "warning", place, str(path),
          "cannot be read by mail_owner")
    os.chown(path, 0, suites.USERS["postrider"][0])
    path.chmod(0o640)
    none(check(suite), str(path))
    path.write_text("user = mail\nnonsense\n")
    found(check(suite), "error", place, str(path))


def test_passwords_that_everybody_may_read(written):
    suite = written()
    for name in ("smtp_sasl_password_maps", "auth_user_maps"):
        path = suite.etc / name
        path.write_text("a@example.test {PLAIN}x\n")
        path.chmod(0o644)
        suite.set(**{name: f"texthash:{path}"})
        suite.write()
        found(check(suite), "warning", line_of(suite, name), str(path),
              "everybody may read it")
        path.chmod(0o600)
        none(check(suite), str(path), "everybody")


# Certificates.

def openssl(*words, stdin=None):
    subprocess.run(["openssl", *map(str, words)], check=True,
                   capture_output=True, input=stdin)


class Authority:
    """A root, an authority below it, and what that one signs."""

    def __init__(self, directory):
        self.dir = directory
        self.make("root", "root", days=900)
        self.make("middle", "root", days=900)

    def make(self, name, by, days=90, begin=None, names="mail.example.test"):
        key, request = self.dir / f"{name}.key", self.dir / f"{name}.req"
        cert, ext = self.dir / f"{name}.crt", self.dir / f"{name}.ext"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        ext.write_text("basicConstraints=critical,CA:" +
                       ("true" if name in ("root", "middle") else "false")
                       + f"\nsubjectAltName=DNS:{names}\n")
        if begin:
            self.sign_from(begin, request, by, ext, cert)
            return cert, key
        sign = (["-signkey", key] if by == name else
                ["-CA", self.dir / f"{by}.crt", "-CAkey",
                 self.dir / f"{by}.key", "-CAcreateserial"])
        openssl("x509", "-req", "-in", request, "-days", days, "-extfile",
                ext, "-out", cert, *sign)
        return cert, key

    def sign_from(self, begin, request, by, ext, cert):
        """Only `openssl ca` can say from when a certificate is good."""
        (self.dir / "index").write_text("")
        conf = self.dir / "ca.cnf"
        conf.write_text(f"""\
[ca]
default_ca = own
[own]
dir = {self.dir}
database = $dir/index
new_certs_dir = $dir
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
""")
        openssl("ca", "-batch", "-config", conf, "-notext", "-in", request,
                "-cert", self.dir / f"{by}.crt", "-keyfile",
                self.dir / f"{by}.key", "-extfile", ext, "-out", cert,
                "-startdate", begin, "-enddate", "21000101000000Z")


def chain(suite, *parts):
    path = suite.etc / "chain.pem"
    path.write_text("".join(p.read_text() for p in parts))
    path.chmod(0o600)
    suite.set(smtpd_tls_chain_files=path, smtpd_tls_security_level="may")
    suite.write()
    return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def certificate(authority, name, **more):
    return authority.make(name, "middle", **more)


def test_a_key_of_another_certificate(written, authority):
    suite = written()
    one, other = (certificate(authority, n) for n in ("one", "other"))
    chain(suite, other[1], one[0])
    found(check(suite), "error", line_of(suite, "smtpd_tls_chain_files"),
          "do not match")
    suite.params.pop("smtpd_tls_chain_files")
    suite.set(smtpd_tls_cert_file=one[0], smtpd_tls_key_file=other[1])
    suite.write()
    found(check(suite), "error", line_of(suite, "smtpd_tls_cert_file"),
          "do not match")


def test_a_file_without_a_key(written, authority):
    suite = written()
    chain(suite, certificate(authority, "alone")[0])
    found(check(suite), "error", line_of(suite, "smtpd_tls_chain_files"),
          "no private key")


def test_a_certificate_at_its_end(written, authority):
    suite = written()
    place = "smtpd_tls_chain_files"
    middle = authority.dir / "middle.crt"
    old = certificate(authority, "old", days=-1)
    chain(suite, old[1], old[0], middle)
    found(check(suite), "error", line_of(suite, place), "old has expired")
    soon = certificate(authority, "soon", days=20)
    chain(suite, soon[1], soon[0], middle)
    line = found(check(suite), "warning", line_of(suite, place),
                 "soon expires in ")
    assert re.search(r"in (19|20) days; get a new one", line)
    early = certificate(authority, "early", begin="20990101000000Z")
    chain(suite, early[1], early[0], middle)
    found(check(suite), "error", line_of(suite, place), "early is not good yet")
    good = certificate(authority, "good", days=40)
    chain(suite, good[1], good[0], middle)
    none(check(suite), "expire")


def test_a_chain_that_breaks_off(written, authority):
    suite = written()
    leaf = certificate(authority, "leaf")
    chain(suite, leaf[1], leaf[0])
    found(check(suite), "warning", line_of(suite, "smtpd_tls_chain_files"),
          "the chain is not complete", "/CN=middle")
    chain(suite, leaf[1], leaf[0], authority.dir / "middle.crt",
          authority.dir / "root.crt")
    none(check(suite), "smtpd_tls_chain_files")


def test_a_certificate_of_its_own(written, authority):
    suite = written()
    self_made = authority.make("self", "self")
    chain(suite, self_made[1], self_made[0])
    found(check(suite), "note", "/CN=self is signed by itself")


def test_a_private_key_that_everybody_may_read(written, authority):
    suite = written()
    leaf = certificate(authority, "open")
    path = chain(suite, leaf[1], leaf[0])
    path.chmod(0o644)
    found(check(suite), "warning", line_of(suite, "smtpd_tls_chain_files"),
          "private key", "others may read it")


def test_a_certificate_of_a_service(written, authority):
    suite = written()
    suite.services["smtp"] += " -o smtpd_tls_chain_files=/nonexistent/x.pem"
    suite.write()
    found(check(suite), "error", "master.cf:1: smtpd_tls_chain_files: "
          "/nonexistent/x.pem")


def test_a_certificate_of_a_name(written, authority):
    suite = written()
    old = certificate(authority, "oldname", days=-1)
    path = chain(suite, old[1], old[0], authority.dir / "middle.crt")
    suite.params.pop("smtpd_tls_chain_files")
    (suite.etc / "sni").write_text(f"mail.example.test {path}\n")
    suite.set(tls_server_sni_maps=f"texthash:{suite.etc}/sni")
    suite.write()
    found(check(suite), "error", line_of(suite, "tls_server_sni_maps"),
          "oldname has expired")


# Domains.

def test_a_domain_of_two_classes(written):
    suite = written()
    (suite.etc / "relay").write_text("b.test x\n")
    suite.set(mydestination="a.test, localhost",
              virtual_mailbox_domains="example.test a.test b.test",
              relay_domains=f"texthash:{suite.etc}/relay")
    suite.write()
    lines = check(suite)
    found(lines, "warning", line_of(suite, "mydestination"),
          "do not list domain a.test in BOTH mydestination and "
          "virtual_mailbox_domains")
    found(lines, "warning", line_of(suite, "virtual_mailbox_domains"),
          "do not list domain b.test in BOTH virtual_mailbox_domains and "
          "relay_domains")


def test_a_domain_may_be_delivered_and_relayed_for(written):
    suite = written()
    suite.set(mydestination="a.test", relay_domains="$mydestination")
    suite.write()
    none(check(suite), "BOTH")


# DNS.

def test_names_that_do_not_resolve(written):
    suite = written()
    suite.set(myhostname="mail.a.test", relayhost="[out.a.test]:25",
              mydestination="localhost, a.test, c.test",
              virtual_mailbox_domains="example.test b.test d.test")
    suite.write()
    server = NameServer(suite.addr, suites.PORT_BASE + 53, {
        ("a.test", "MX"): [(10, "mail.a.test")],
        ("d.test", "AAAA"): ["::1"],
        ("c.test", "MX"): [(0, ".")],
        ("example.test", "MX"): [(10, "mail.a.test")],
        "b.test": "SERVFAIL",
    })
    try:
        none(check(suite), "DNS")
        assert not server.asked
        lines = check(suite, "--dns")
        found(lines, "warning", line_of(suite, "myhostname"), "mail.a.test",
              "there is no such name")
        found(lines, "error", line_of(suite, "relayhost"), "out.a.test",
              "there is no such name")
        found(lines, "warning", line_of(suite, "virtual_mailbox_domains"),
              "b.test", "the name servers fail, or do not answer")
        found(lines, "warning", line_of(suite, "mydestination"), "c.test",
              "a null MX")
        for good in (": a.test", ": d.test", ": example.test", ": localhost"):
            none(lines, good)
        server.records |= {("mail.a.test", "A"): ["192.0.2.1"],
                           ("out.a.test", "A"): ["192.0.2.1"]}
        none(check(suite, "--dns"), "DNS")
    finally:
        server.close()


def test_without_a_name_server_nothing_is_said_of_names(written):
    suite = written(dns_servers="nowhere")
    lines = check(suite, "--dns")
    found(lines, "error", "DNS names cannot be asked for", "nowhere")
    none(lines, "myhostname")


def test_it_has_one_option(written):
    suite = written()
    done = suite.run("postrider", "-c", suite.etc, "check", "--dsn", ok=False)
    assert done.returncode == 1 and "--dns" in done.stderr
