"""What bash proposes for the words of our commands."""
import os
import pathlib
import subprocess

import pytest

FILE = (pathlib.Path(__file__).resolve().parent.parent.parent / "packaging"
        / "bash-completion" / "postconf")

# Completes the last of the words as bash does when TAB is hit.
SCRIPT = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
found=$(complete -p "$1") || exit 3
found=${found##*-F }
${found%% *} "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(suite, *words):
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", FILE, *map(str, words)], check=True,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env={**suite.environment(),
             "PATH": f"{suite.commands}:{os.environ['PATH']}"})
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.fixture
def site(make_suite):
    suite = make_suite()
    suite.write()
    return suite


@pytest.mark.parametrize("words, some, none", [
    (["postconf", "-c", "DIR", "smtpd_recip"],
     {"smtpd_recipient_limit", "smtpd_recipient_restrictions"}, "-d"),
    (["postconf", "-c", "DIR", "-M", "qm"], {"qmgr/unix"}, "relayhost"),
    (["postconf", "-c", "DIR", "-F", "qmgr/unix/c"],
     {"qmgr/unix/chroot", "qmgr/unix/command"}, "relayhost"),
    (["postconf", "-C", ""], {"builtin", "service", "user", "all"}, "-d"),
    (["postconf", "--"], {"--help"}, "-d"),
    (["postconf", "-T", "run"], {"run-version"}, "compile-version"),
    (["postmap", "te"], {"texthash:"}, "cidr:"),
    (["postalias", "-"], {"-q", "-s"}, "texthash:"),
    (["postexplain", ""], {"address", "session"}, "-c"),
    (["postexplain", "session", "--cl"], {"--client", "--client-name"}, "--to"),
    (["postqueue", "-"], {"-p", "-j", "-f"}, "-d"),
    (["postsuper", "-d", "A"], {"ALL"}, "-r"),
    (["postsuper", "-"], {"-e", "-f", "-S"}, "ALL"),
    (["postcat", "-"], {"-q", "-e"}, "ALL"),
    (["posttls-finger", "-l", "d"], {"dane", "dane-only"}, "may"),
    (["posttls-finger", "-"], {"-C", "-l"}, "dane"),
    (["postlock", "-l", "f"], {"fcntl", "flock"}, "dotlock"),
    (["postlog", "-p", ""], {"warn", "panic"}, "-t"),
    (["postrider", "re"], {"reload"}, "start"),
    (["postrider", "check", "-"], {"--dns"}, "-c"),
    (["postrider", "import", "/x", "--"], {"--to", "--force"}, "start"),
    (["postrider", "import", "/et"], {"/etc"}, "start"),
    (["postrider", "imp"], {"import"}, "start"),
    (["postrider", ""], {"start", "stop", "check", "set-permissions",
                           "upgrade-configuration"}, "it"),
])
def test_words_are_proposed(site, words, some, none):
    found = complete(site, *(site.etc if w == "DIR" else w for w in words))
    assert some <= found
    assert none not in found


def test_it_is_installed_for_each_command(site):
    there = next(site.base.rglob("bash-completion/completions"))
    names = {p.name for p in there.iterdir()}
    assert names == {"postalias", "postcat", "postconf", "postexplain",
                     "postlock", "postlog", "postmap", "postqueue",
                     "postrider", "postsuper", "posttls-finger"}
    assert all(p.read_text() == FILE.read_text() for p in there.iterdir())
