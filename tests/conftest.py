"""What all tests of the whole suite share: users, and suites."""
import os

import pytest

import suite as suites
from talk import pytest_collect_file  # noqa: F401: a hook of pytest

FAILED = pytest.StashKey()


def pytest_configure():
    if suites.is_root():
        suites.private_users()
    os.environ["PATH"] += ":/usr/sbin:/sbin"


def pytest_sessionfinish():
    kept = suites.clean_up()
    if kept:
        print(f"\nWhat failed is kept in {kept}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    if outcome.get_result().failed:
        item.stash[FAILED] = True


@pytest.fixture
def make_suite(request):
    """make_suite(NAME, users=[...], PARAM=...): a suite, not yet started."""
    maker = suites.Maker()
    yield maker.make
    failed = request.node.stash.get(FAILED, False)
    report = maker.finish(failed)
    if failed:
        print(report)


@pytest.fixture
def suite(make_suite):
    """A suite with alice and bob at example.test, started."""
    return make_suite().start()
