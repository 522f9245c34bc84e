"""What processes of a suite do with files, and what they had declared.

strace says both: landlock_add_rule() names what a daemon has declared, and
each call after landlock_restrict_self() has to be below that, whether it would
have been refused (open) or not (stat). Processes without Landlock are not
judged.
"""
import os
import re

CALLS = ("%file,clone,clone3,fork,vfork,connect,landlock_add_rule,"
         "landlock_restrict_self")
LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?:<([^>]*)>)?"
                  r"(?: (E\w+))?")
UNFINISHED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
AT = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:\(deleted\))?, )?"((?:[^"\\]|'
                r'\\.)*)"')
SOCKET = re.compile(r'AF_UNIX, sun_path=(@?)"([^"]*)"')


class Process:
    def __init__(self, parent=None):
        self.program = parent.program if parent else "?"
        self.cwd = parent.cwd if parent else "/"
        self.root = parent.root if parent else "/"
        self.declared = list(parent.declared) if parent else []
        self.confined = parent.confined if parent else False

    def place(self, base, path):
        """A path as those outside see it."""
        if path.startswith("/"):
            path = self.root + "/" + path
        else:
            path = (base or self.cwd) + "/" + path
        return os.path.normpath("/" + path.lstrip("/"))

    def may(self, path):
        return any(path == top or path.startswith(top.rstrip("/") + "/")
                   for top in self.declared)


def lines(path):
    """Those of the trace, of which strace has broken some in two."""
    begun = {}
    with open(path, encoding="latin-1") as f:
        for line in f:
            if found := UNFINISHED.match(line):
                begun[found[1]] = found[2]
            elif found := RESUMED.match(line):
                yield f"{found[1]} {begun.pop(found[1], '')}{found[2]}"
            else:
                yield line


class Trace:
    """Of a whole run: what was wrong, and the sockets of each program."""

    def __init__(self, path):
        self.processes = {}
        self.wrong = set()
        self.sockets = {}
        self.confined = set()
        for line in lines(path):
            if found := LINE.match(line):
                self.see(*found.groups())

    def process(self, pid):
        return self.processes.setdefault(int(pid), Process())

    def see(self, pid, call, args, result, opened, error):
        p = self.process(pid)
        if call in ("clone", "clone3", "fork", "vfork"):
            if result.isdigit():
                self.inherit(int(result), p)
        elif call == "landlock_add_rule":
            if found := re.search(r"parent_fd=\d+<([^>]*)>", args):
                p.declared.append(found[1])
        elif call == "landlock_restrict_self":
            p.confined = True
            self.confined.add(p.program)
        elif call == "connect":
            if p.confined and (found := SOCKET.search(args)):
                self.sockets.setdefault(p.program, set()).add(
                    found[1] or os.path.relpath(p.place(None, found[2]),
                                                p.cwd))
        elif error is None and call == "execve":
            p.program = os.path.basename(AT.search(args)[2])
            p.declared = []
        elif error is None and call in ("chdir", "chroot"):
            to = p.place(None, AT.search(args)[2])
            setattr(p, "cwd" if call == "chdir" else "root", to)
        elif p.confined:
            self.judge(p, call, args, opened, error)

    def inherit(self, child, parent):
        """strace may have told of the child before its parent's return."""
        known = self.processes.get(child)
        new = Process(parent)
        if known and known.program != "?":
            return
        self.processes[child] = new

    def judge(self, p, call, args, opened, error):
        for base, path in AT.findall(args):
            if path == "":
                continue  # AT_EMPTY_PATH: a descriptor's own
            # What leads through /proc/self/fd is known once it is open.
            place = opened or p.place(base, path)
            if not p.may(place):
                self.wrong.add(f"{p.program}: {call} {place} {error or ''}")
