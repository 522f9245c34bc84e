"""Tables beside Postfix's, and what postmap does with what is no source."""
import os
import stat
import subprocess

import pytest

KINDS = {"hash": "db", "btree": "db", "cdb": "cdb", "lmdb": "lmdb"}


@pytest.fixture
def place(make_suite):
    suite = make_suite()
    suite.write()
    (suite.etc / "peer").mkdir()
    (suite.etc / "peer/main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = mail.example.test\n")
    return suite


def ours(place, *words, stdin="", ok=True):
    return place.run("postmap", "-c", place.etc, *words,
                     stdin=stdin.encode(), ok=ok)


def theirs(place, *words, stdin=""):
    return subprocess.run(
        ["/usr/sbin/postmap", "-c", place.etc / "peer", *map(str, words)],
        check=True, input=stdin, encoding="latin-1",
        capture_output=True)


def source(place, n=2000):
    path = place.etc / "table"
    path.write_text("".join(f"user{i}@example.test box/{i}/\n"
                            for i in range(n)) + f"long {'v' * 30000}\n")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_each_reads_what_the_other_makes(place, kind):
    path = source(place)
    name = f"{kind}:{path}"
    keys = "".join(f"USER{i}@example.test\n" for i in range(0, 2100, 7)) + "long\n"
    ours(place, name)
    want = theirs(place, "-q", "-", name, stdin=keys).stdout
    assert len(want.splitlines()) == 287
    for flags in ([], ["-n"], ["-N"]):
        theirs(place, *flags, name)
        assert ours(place, "-q", "-", name, stdin=keys).stdout == want
        ours(place, *flags, name)
        assert theirs(place, "-q", "-", name, stdin=keys).stdout == want


@pytest.mark.parametrize("kind", ["hash", "btree"])
def test_postfix_goes_on_with_a_table_of_ours(place, kind):
    path = source(place)
    name = f"{kind}:{path}"
    more = "".join(f"new{i}@example.test {i}\n" for i in range(5000))
    ours(place, name)
    theirs(place, "-i", name, stdin=more)
    theirs(place, "-d", "user7@example.test", name)
    rows = ours(place, "-s", name).stdout.splitlines()
    assert len(rows) == 7000
    assert sorted(rows) == sorted(
        theirs(place, "-s", name).stdout.splitlines())


def test_names_of_berkeley_db_may_mean_other_tables(place):
    path = source(place, 10)
    for kind in ("lmdb", "cdb"):
        place.set(berkeley_db_type=kind).write()
        ours(place, f"hash:{path}")
        assert (place.etc / f"table.{kind}").exists()
        assert not (place.etc / "table.db").exists()
        assert ours(place, "-q", "user3@example.test",
                    f"btree:{path}").stdout == "box/3/\n"


@pytest.mark.parametrize("kind", KINDS)
def test_owner_and_mode_are_kept(place, kind):
    path = source(place, 10)
    path.chmod(0o640)
    made = place.etc / f"table.{KINDS[kind]}"
    ours(place, f"{kind}:{path}")
    assert stat.S_IMODE(made.stat().st_mode) == 0o640
    made.chmod(0o600)
    ours(place, f"{kind}:{path}")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert sorted(p.name for p in place.etc.glob("table*")) == [
        "table", made.name]


def test_what_is_no_source_is_told(place):
    path = place.etc / "table"
    path.mkdir()
    bad = ours(place, f"hash:{path}", ok=False)
    assert bad.returncode == 1 and "Is a directory" in bad.stderr
    path.rmdir()
    path.write_bytes(b"good 1\nbad\xff 2\nnul\0x 3\nlast 4")
    done = ours(place, f"hash:{path}")
    assert "line 2: non-UTF-8 input" in done.stderr
    assert "line 3: NUL in" in done.stderr
    assert sorted(ours(place, "-s", f"hash:{path}").stdout.splitlines()) == [
        "good\t1", "last\t4"]
    path.chmod(0o666)
    bad = ours(place, f"hash:{path}", ok=False)
    assert bad.returncode == 1 and "everybody can write" in bad.stderr


def test_a_line_without_end_is_bounded(place):
    path = place.etc / "table"
    with open(path, "wb") as out:
        out.write(b"good 1\nlong ")
        out.seek(1 << 30)
        out.write(b"x\n")
    with open(place.dir / "said", "w+b") as said:
        child = subprocess.Popen(
            [place.commands / "postmap", "-c", place.etc, f"hash:{path}"],
            stderr=said, env=place.environment())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        assert b"line 2: a line is longer than 16777216 bytes" in said.read()
    assert child.returncode == 1
    assert used.ru_maxrss < 400 << 10  # KiB; the file has a GiB
    assert not (place.etc / "table.db").exists()


def test_a_source_cut_off_anywhere_makes_a_table(place):
    whole = b'# c\n"a b" x\nkey value\n  more\nlist: y\n\xc3\xa9 z\n'
    path = place.etc / "table"
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        ours(place, f"btree:{path}")
        rows = ours(place, "-s", f"btree:{path}").stdout
        assert rows == theirs(place, "-s", f"btree:{path}").stdout


def test_values_may_be_files(place):
    (place.etc / "one").write_text("first\n")
    (place.etc / "two").write_bytes(b"\xff\0")
    path = place.etc / "table"
    path.write_text(f"both {place.etc}/one, {place.etc}/two\n"
                    f"none {place.etc}/none\n")
    done = ours(place, "-F", f"hash:{path}")
    assert "line 2: open" in done.stderr
    assert ours(place, "-s", f"hash:{path}").stdout == "both\tZmlyc3QKCv8A\n"
    assert ours(place, "-F", "-s", f"hash:{path}").stdout == (
        "both\tfirst\n\n\xff\0\n")
