"""Suites for tests of what comes to lie in mailboxes, in either way.

With virtual_transport = virtual, and by LMTP between the queue and them:
from ways import make_suite, suite
"""
import pytest


@pytest.fixture(params=["virtual", "lmtp"])
def make_suite(request, make_suite):
    def make(*args, **params):
        suite = make_suite(*args, **params)
        suite.by_lmtp = request.param == "lmtp"
        return suite.with_lmtp_between() if suite.by_lmtp else suite
    return make


@pytest.fixture
def suite(make_suite):
    return make_suite().start()
