"""Configuration files that are cut, binary, huge or no files: one clear line, no crash."""
import os
import pathlib
import re
import subprocess

import pytest

SITE = pathlib.Path(__file__).resolve().parent.parent / "data" / "site"
COMMANDS = (["-n"], ["-x"], ["-M"], ["-P"], ["-e", "relayhost=x"])


@pytest.fixture
def suite(make_suite):
    suite = make_suite()
    suite.write()
    return suite


def postconf(suite, *args):
    """It ends with 0, or with 1 and one line that says why."""
    done = subprocess.run(
        [suite.commands / "postconf", "-c", suite.etc, *args],
        stdin=subprocess.DEVNULL, capture_output=True,
        env=suite.environment())
    fatal = re.findall(rb"^postconf: fatal: .+$", done.stderr, re.M)
    assert done.returncode in (0, 1), done.stderr
    assert len(fatal) == done.returncode, done.stderr
    assert b"\0" not in done.stderr
    assert not list(suite.etc.glob("*.tmp"))
    return done


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_a_file_that_is_cut(suite, name):
    """At each byte of the lines of all kinds; each cut is a file to read."""
    text = (SITE / name).read_bytes()[-1200:]
    ok = 0
    for n in range(0, len(text), 3):
        (suite.etc / name).write_bytes(text[:n])
        ok += postconf(suite, "-n").returncode == 0
    assert 0 < ok


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
@pytest.mark.parametrize("data", [
    b"\xff\xfe\xc3 = \xe2\x82\n", b"a\0b = c\n", b"x = \0\n", b"=\n", b"{\n",
    b"\n" * 100000, b"relayhost = " + b"${a" * 5000 + b"\n",
    b"relayhost = " + b"{" * 100000 + b"\n", b"x = y\\\n", b"\r\r\r", b"#",
    b" \t", b"\x1b[2J = 1\n", b"smtp unix - - n - - smtp " + b"{" * 9999,
], ids=range(14))
def test_odd_bytes(suite, name, data):
    (suite.etc / name).write_bytes(data)
    for args in COMMANDS:
        done = postconf(suite, *args)
        assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_no_regular_file(suite, name):
    path = suite.etc / name
    for make in (path.mkdir, lambda: os.mkfifo(path),
                 lambda: path.symlink_to(path)):
        path.unlink()
        make()
        for args in COMMANDS[2:] if name == "master.cf" else COMMANDS:
            if name == "main.cf" or "-e" not in args:
                assert postconf(suite, *args).returncode == 1
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_text("")


def test_a_line_of_a_gigabyte(suite):
    with (suite.etc / "main.cf").open("r+b") as f:
        f.truncate(1 << 30)
    done = postconf(suite, "-n")
    assert b"too large; allowed are" in done.stderr
    assert postconf(suite, "-e", "relayhost=x").returncode == 1
    assert (suite.etc / "main.cf").stat().st_size == 1 << 30


def test_edits_at_the_same_time(suite):
    edits = [subprocess.Popen(
        [suite.commands / "postconf", "-c", suite.etc, "-e", f"name{i}=1"],
        env=suite.environment()) for i in range(20)]
    assert [edit.wait() for edit in edits] == [0] * 20
    text = (suite.etc / "main.cf").read_text()
    assert all(f"\nname{i} = 1\n" in text for i in range(20))
    assert not list(suite.etc.glob("*.tmp"))


def test_an_edit_that_fails_changes_nothing(suite):
    for name, args in (("main.cf", ["-e", "a=1", "bad"]),
                       ("master.cf", ["-Me", "a/unix=a unix - - n - - smtp",
                                      "b/unix=b"])):
        before = (suite.etc / name).read_bytes()
        assert postconf(suite, *args).returncode == 1
        assert (suite.etc / name).read_bytes() == before
