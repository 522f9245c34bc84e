"""Runs the tests of both builds; the last line is `N passed, N failed`.

Called by scripts/test, which has built them. Counted are single tests, not
programs: meson's and pytest's JUnit files agree on how to tell. A test that
was skipped has not passed, and counts as failed; so does a run that ended
with an error and without a report of one.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ASAN = pathlib.Path("build-asan")
PLAIN = pathlib.Path("build-plain")
NOTHING_COLLECTED = 5  # pytest's exit status
TIME_LIMIT = 1200  # seconds, of one run


def meson(build):
    report = build / "meson-logs/testlog.junit.xml"
    command = ["meson", "test", "-C", str(build), "--no-rebuild",
               "--print-errorlogs"]
    return command, report, {}


def pytest(build, *marks):
    report = build / "pytest.junit.xml"
    if os.geteuid() != 0:
        marks += ("not root",)
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "tests/e2e",
               "tests/dialogue", "-m", " and ".join(marks),
               f"--junitxml={report}"]
    return command, report, {"POSTRIDER_BUILD": str(build)}


def run(command, report, more):
    """Returns (passed, failed). What is said is told at the end."""
    report.unlink(missing_ok=True)
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        try:
            status = subprocess.run(command, env={**os.environ, **more},
                                    stdin=subprocess.DEVNULL, stdout=said,
                                    stderr=subprocess.STDOUT,
                                    timeout=TIME_LIMIT).returncode
        except subprocess.TimeoutExpired:
            said.write(f"ended after {TIME_LIMIT} s\n")
            status = 1
        said.seek(0)
        print("+", " ".join(command), "\n" + said.read(), flush=True)
    passed = failed = 0
    if report.exists():
        for case in xml.parse(report).iter("testcase"):
            if {"failure", "error", "skipped"} & {c.tag for c in case}:
                failed += 1
            else:
                passed += 1
    if status not in (0, NOTHING_COLLECTED) and not failed:
        failed = 1
    return passed, failed


def main():
    counts = [run(*meson(ASAN)), run(*meson(PLAIN))]
    # These wait more than they work: the two at once take half the time.
    with concurrent.futures.ThreadPoolExecutor() as both:
        counts += both.map(lambda r: run(*r), (
            pytest(ASAN, "not sandbox", "not plain"),
            pytest(PLAIN, "not faults"),
        ))
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
