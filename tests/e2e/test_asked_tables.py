"""Tables that proxymap asks for smtpd: each question has its own answer."""
import contextlib
import random
import socketserver
import threading

import pytest

from suite import own_address, wait_for


class Socketmap(socketserver.ThreadingTCPServer):
    """answer(name, key) says what to reply, after whatever wait it likes."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError, ValueError):
                    while size := self.size():
                        name, _, key = self.rfile.read(
                            size + 1)[:-1].decode().partition(" ")
                        reply = answer(name, key).encode()
                        self.wfile.write(b"%d:%s," % (len(reply), reply))

            def size(self):
                digits = b""
                while (c := self.rfile.read(1)) and c != b":":
                    digits += c
                return int(digits or b"0")

        super().__init__((own_address(), 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)

    def table(self, name):
        return "socketmap:inet:{}:{}:{}".format(*self.server_address, name)


@pytest.fixture
def site(make_suite):
    suite = make_suite()
    suite.services["proxymap"] = "proxymap unix - - n - - proxymap"
    return suite


def judged(wire, rcpt):
    """What the table said of a recipient; the session goes on."""
    return wire.command(f"RCPT TO:<{rcpt}>")


def test_many_sessions_get_each_their_own(site):
    """Forty at a time, and who asked first is not answered first."""
    everybody = threading.Barrier(8)

    def answer(_, key):
        # Eight questions are under way, then all are answered at once.
        with contextlib.suppress(threading.BrokenBarrierError):
            everybody.wait(random.choice([0.05, 0.2]))
        everybody.reset()
        return f"OK REJECT you are {key}"

    wrong, replies = [], []

    def ask(n):
        with site.session() as wire:
            wire.command(f"MAIL FROM:<s{n}@c.test>", 250)
            for turn in range(3):
                rcpt = f"r{n}x{turn}@example.test"
                reply = judged(wire, rcpt)
                replies.append(reply.code)
                if reply.code != 451 and f"you are {rcpt}" not in reply.text:
                    wrong.append((rcpt, str(reply)))

    with Socketmap(answer) as server:
        site.set(smtpd_recipient_restrictions="check_recipient_access "
                 f"{server.table('who')}, permit",
                 table_connection_limit=8, smtpd_soft_error_limit=100,
                 smtpd_hard_error_limit=100).start()
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(replies) == 120 and replies.count(554) > 60


def test_another_table_at_the_same_place_does_not_answer(site):
    """
    A session that was there before a reload asks for a place in its own
    configuration. What is there now is another table, and it gets "not now".
    """
    with Socketmap(lambda name, key: f"OK REJECT {name} knows {key}") as server:
        def use(name):
            site.set(smtpd_recipient_restrictions="check_recipient_access "
                     f"{server.table(name)}, permit")
            site.write()

        def new_session_says():
            with site.session() as wire:
                wire.command("MAIL FROM:<s@c.test>", 250)
                return judged(wire, "x@example.test").text

        use("first")
        site.start()
        with site.session() as old:
            old.command("MAIL FROM:<s@c.test>", 250)
            assert "first knows a@" in judged(old, "a@example.test").text
            use("second")
            site.reload()
            wait_for("the new table to be asked",
                     lambda: "second knows x@" in new_session_says())
            reply = judged(old, "b@example.test")
            assert reply.code == 451 and "second" not in reply.text
