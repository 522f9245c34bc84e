"""What smtpd refuses, and the model of its states that it has to follow."""
import random
import re

import pytest


def test_unknown_user_and_foreign_domain(suite):
    with suite.session() as wire:
        wire.command("MAIL FROM:<bob@client.test>", 250, "2.1.0")
        reply = wire.command("RCPT TO:<nobody@example.test>", 550, "5.1.1")
        assert reply.text == ("5.1.1 <nobody@example.test>: Recipient address "
                              "rejected: User unknown in virtual mailbox "
                              "table")
        reply = wire.command("RCPT TO:<x@foreign.test>", 554, "5.7.1")
        assert reply.text == "5.7.1 <x@foreign.test>: Relay access denied"
    for text in ("550 5.1.1 <nobody@example.test>: Recipient address "
                 "rejected: User unknown in virtual mailbox table; "
                 "from=<bob@client.test> to=<nobody@example.test>",
                 "554 5.7.1 <x@foreign.test>: Relay access denied; "
                 "from=<bob@client.test> to=<x@foreign.test>"):
        suite.log.wait(r"^NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.1\]: "
                       + re.escape(text)
                       + " proto=ESMTP helo=<client.test>$", "smtpd")


def test_aliases_are_expanded_once_for_each(make_suite):
    suite = make_suite(
        virtual_alias_maps="inline:{ { team@example.test = "
                           "alice@example.test, bob@example.test } "
                           "{ all@example.test = team@example.test, "
                           "alice@example.test } }").start()
    suite.send("Subject: x\n\n", to="all")
    for user in ("alice", "bob"):
        suite.mailbox(user).wait(1)
    suite.wait_empty()
    suite.log.wait(r"to=<bob@example\.test>, orig_to=<all@example\.test>, "
                   r"relay=virtual", "virtual")


def test_a_full_size_and_a_byte_more(make_suite):
    suite = make_suite(message_size_limit=5000).start()
    for size, code in ((4000, 250), (5100, 552)):
        with suite.session() as wire:
            wire.command("MAIL FROM:<bob@client.test>", 250)
            wire.command("RCPT TO:<alice@example.test>", 250)
            wire.command("DATA", 354)
            wire.send(b"x" * 48 + b"\r\n")
            wire.send((b"y" * 48 + b"\r\n") * (size // 50 - 1) + b".\r\n")
            wire.expect(code)
            wire.command("QUIT", 221)
    suite.mailbox("alice").wait(1)


class Model:
    """What a session may do: the automaton that RFC 5321 section 4 tells."""

    def __init__(self):
        self.helo = False
        self.sender = False
        self.rcpts = 0

    def reset(self):
        self.sender = False
        self.rcpts = 0

    def step(self, command):
        """The codes that this command may get now."""
        verb = command.split(" ")[0]
        if verb in ("EHLO", "HELO"):
            self.helo = True
            self.reset()
            return {250}
        if verb == "RSET":
            self.reset()
            return {250}
        if verb == "NOOP":
            return {250}
        if verb == "VRFY":
            return {252, 503} if not self.helo else {252}
        if verb == "WHAT":
            return {500}
        if verb == "MAIL":
            if not self.helo or self.sender:
                return {503}
            if "bad>" in command:
                return {501, 555}
            self.sender = True
            return {250}
        if verb == "RCPT":
            if not self.sender:
                return {503}
            if "nobody" in command:
                return {550}
            self.rcpts += 1
            return {250}
        assert verb == "DATA"
        if not self.sender:
            return {503}
        return {354} if self.rcpts else {554}


COMMANDS = ["EHLO client.test", "HELO client.test", "RSET", "NOOP", "WHAT",
            "VRFY alice@example.test", "MAIL FROM:<bob@client.test>",
            "MAIL FROM:<bob@client.test>", "MAIL FROM:<bad bad>",
            "RCPT TO:<alice@example.test>", "RCPT TO:<alice@example.test>",
            "RCPT TO:<nobody@example.test>", "DATA", "DATA"]


@pytest.mark.parametrize("seed", range(4))
def test_random_walks_follow_the_model(make_suite, seed):
    """STATE 08. Commands go out many at a time, up to each DATA."""
    suite = make_suite(smtpd_helo_required="yes",
                       smtpd_hard_error_limit="1000000",
                       smtpd_soft_error_limit="1000000",
                       smtpd_junk_command_limit="1000000",
                       smtpd_recipient_limit="100000").start()
    chance = random.Random(seed)
    model = Model()
    accepted = 0
    with suite.wire() as wire:
        wire.expect(220)
        for _ in range(400):
            batch = []
            while len(batch) < 20:
                batch.append(chance.choice(COMMANDS))
                if batch[-1] == "DATA":
                    break
            wire.transcript.clear()
            wire.send("".join(c + "\r\n" for c in batch).encode())
            for n, command in enumerate(batch):
                code = wire.reply().code
                assert code in model.step(command), batch[:n + 1]
            if code == 354:
                wire.send(b"Subject: x\r\n\r\n.\r\n")
                wire.expect(250)
                accepted += 1
                model.reset()
    assert accepted > 10
