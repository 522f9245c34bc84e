"""What benchmarks share: a disk, and what processes have cost."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

TICK = os.sysconf("SC_CLK_TCK")


def sh(*words, **more):
    return subprocess.run([str(w) for w in words], check=True,
                          stdin=subprocess.DEVNULL, **more)


@contextlib.contextmanager
def on_journal():
    """All that is made meanwhile lies on an ext4 with a journal, in a file.

    Without one, to make files after others were removed is many times slower.
    """
    base = pathlib.Path(tempfile.mkdtemp(prefix="postrider-bench-"))
    base.chmod(0o755)
    image, point = base / "image", base / "mount"
    point.mkdir()
    try:
        sh("truncate", "-s", "4G", image)
        sh("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", image)
        sh("mount", "-o", "loop", image, point)
        point.chmod(0o755)
        tempfile.tempdir = str(point)
        yield point
    finally:
        tempfile.tempdir = None
        subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(base, ignore_errors=True)


def stat_of(pid):
    """(name, parent, clock ticks of it and of its dead children)."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        head, tail = f.read().rsplit(")", 1)
    fields = tail.split()
    return head.split("(", 1)[1], int(fields[1]), sum(
        int(n) for n in fields[11:15])


def tree(root):
    """{pid: (name, parent, ticks)} of a process and all below it."""
    everybody = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                everybody[int(entry)] = stat_of(int(entry))
    found = {root}
    while True:
        more = {p for p, s in everybody.items() if s[1] in found} - found
        if not more:
            return {p: everybody[p] for p in found if p in everybody}
        found |= more


def pss(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
    return total


def kernel_memory():
    """KiB of slab, and of buffers of TCP sockets."""
    meminfo = pathlib.Path("/proc/meminfo").read_text("ascii")
    slab = int(re.search(r"^Slab:\s+(\d+)", meminfo, re.M)[1])
    sockets = pathlib.Path("/proc/net/sockstat").read_text("ascii")
    pages = int(re.search(r"^TCP:.* mem (\d+)", sockets, re.M)[1])
    return slab + pages * os.sysconf("SC_PAGE_SIZE") // 1024


def cpu_ms(root):
    """Milliseconds of CPU of a process and all below it, also of the dead."""
    return sum(s[2] for s in tree(root).values()) * 1000 / TICK
