"""Calls of a running daemon that fail, or are its last; with -Dtest_hooks.

    faults = Faults(suite, "smtp")       # before the suite starts
    faults.arm(7, KILL)                  # the seventh call from now on
    ... faults.fired, faults.calls, faults.what ...
    faults.disarm()

The program is started by a script that loads tests/fault/preload.c into it; what
else the suite runs is as it was.
"""
import errno
import mmap
import pathlib
import struct

import suite as suites

OFF, FAIL, KILL = range(3)
ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENOMEM)
NEVER = 0xFFFFFFFF

ORDERS = struct.Struct("=32sIIIiI32s32s")
HEAD = 32  # of them, before the mode
ONLY = ORDERS.size - 32


class Faults:
    def __init__(self, suite, program):
        self.program = program
        self.path = suite.dir / "faults"
        self.path.write_bytes(ORDERS.pack(program.encode(), 0, 0, 0, 0, 0,
                                          b"", b""))
        self.path.chmod(0o666)
        with self.path.open("r+b") as f:
            self.map = mmap.mmap(f.fileno(), ORDERS.size)
        self.wrap(suite)

    def wrap(self, suite):
        """Another folder of daemons, in which one is a script."""
        top = suite.dir / "daemons"
        real = top / "real" / self.program
        real.parent.mkdir(parents=True)
        for path in pathlib.Path(suite.daemons).iterdir():
            target = real if path.name == self.program else top / path.name
            target.symlink_to(path)
        preload = suite.dir / "preload.so"
        preload.write_bytes(
            (suites.BUILD / "tests/fault/preload.so").read_bytes())
        script = top / self.program
        script.write_text(
            "#!/bin/sh\n"
            f"export LD_PRELOAD={preload} POSTRIDER_FAULTS={self.path}\n"
            "export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0\n"
            f'exec {real} "$@"\n')
        script.chmod(0o755)
        suite.daemons = top
        suite.set(daemon_directory=top)

    def put(self, mode, calls, nth, error, fired):
        struct.pack_into("=IIIiI", self.map, HEAD, mode, calls, nth, error,
                         fired)

    def arm(self, nth, mode, error=errno.EIO, only=""):
        """The n-th call; with `only`, of this name."""
        self.put(OFF, 0, nth, error, 0)
        struct.pack_into("=32s", self.map, ONLY, only.encode())
        struct.pack_into("=I", self.map, HEAD, mode)

    def disarm(self):
        struct.pack_into("=I", self.map, HEAD, OFF)

    def field(self, number):
        return ORDERS.unpack_from(self.map)[number]

    @property
    def calls(self):
        return self.field(2)

    @property
    def fired(self):
        return bool(self.field(5))

    @property
    def what(self):
        return self.field(6).split(b"\0")[0].decode()
