"""The keys that tables are asked for, and their order, are Postfix's.

What Postfix asks for was written down by tests/peer/lookups, in
tests/data/lookup-order; so no Postfix is needed here.
"""
import pathlib
import re

import pytest

import lookups
from suite import Maker, own_address, wait_for

DATA = pathlib.Path(__file__).resolve().parent.parent / "data/lookup-order"
KNOWN = lookups.read(DATA)

pytestmark = pytest.mark.root  # of local mail there is none without root


@pytest.fixture(scope="module")
def seen():
    with lookups.Recorder(own_address()) as recorder:
        now, maker = {}, Maker()

        def configure(settings):
            if settings != now.get("settings"):
                if now:
                    now["suite"].stop()
                suite = maker.make().with_people()
                suite.set(**{**lookups.settings(recorder), **settings})
                now.update(settings=settings, suite=suite.start())
            return now["suite"].smtp

        def settle(id):
            wait_for("the mail to be done with", lambda: re.search(
                rf": {id}: (?:removed|to=.*, status=deferred )",
                now["suite"].log.text()))
        yield lookups.observe(recorder, configure, settle)
        maker.finish(False)


def test_each_question_was_put_to_postfix():
    assert set(KNOWN) == {*lookups.MAIL, *lookups.LISTED, *lookups.ACCESS}
    # Nothing that is empty everywhere can show an order.
    assert all(any(t.values()) for t in KNOWN.values())


@pytest.mark.parametrize("title", KNOWN)
def test_order(seen, title):
    assert seen[title] == KNOWN[title]
