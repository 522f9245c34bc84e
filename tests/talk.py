"""Runs *.talk files: dialogues with a whole suite, as tests of pytest.

The language is told in talklang.py and by the files in tests/dialogue. A suite
is made when its first statement begins it, and ends with the talk. A talk that
fails shows the transcripts of all its connections and the suite's log.
"""
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest

import suite as suites
from talklang import Parser, TalkError, Text
from wire import PATIENCE, Wire, WireError

MACRO = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)?)\}")
CLASSES = {"alpha": "A-Za-z", "digit": "0-9", "alnum": "A-Za-z0-9",
           "xdigit": "0-9A-Fa-f", "space": r"\s", "upper": "A-Z",
           "lower": "a-z"}


class Failure(Exception):
    """What does not hold; the statement that said so adds its place."""


def compile_ere(text):
    text = re.sub(r"\[:(\w+):\]", lambda m: CLASSES[m[1]], text)
    return re.compile(text)


class Actor(threading.Thread):
    """A client or a server: its steps run in a thread of its own."""

    def __init__(self, talk, statement):
        super().__init__(name=f"{statement.kind} {statement.name}",
                         daemon=True)
        self.talk = talk
        self.statement = statement
        self.wires = []
        self.error = None
        self.last_tag = ""
        self.untagged = []

    def run(self):
        try:
            self.perform()
        except TalkError as e:
            self.error = e
        except Exception as e:  # shown with the talk, not lost in a thread
            self.error = self.talk.error(self.statement.line,
                                         f"{self.name}: {e!r}")
        finally:
            self.talk.errors += [self.error] if self.error else []
            for wire in self.wires:
                wire.close()

    def finish(self):
        self.join(PATIENCE * 3)
        if self.is_alive():
            raise self.talk.error(self.statement.line,
                                  f"{self.name} does not come to its end")
        if self.error:
            raise self.talk.errors[0]  # the others follow from it

    def steps(self, wire, steps):
        self.wires.append(wire)
        for step in steps:
            act = getattr(self, "do_" + step.verb.replace("-", "_"))
            try:
                act(wire, step.words)
            except (WireError, Failure) as e:
                raise self.talk.error(step.line, f"{self.name}: {e}") from None

    def text(self, text):
        return self.talk.expand(text)

    def bytes(self, text):
        return self.text(text).encode("latin-1")

    def transcript(self):
        return [line for n, wire in enumerate(self.wires, 1)
                for line in [f"-- {self.name}, connection {n}",
                             *wire.transcript]]

    # Steps.

    def do_send(self, wire, w):
        lines = [self.bytes(line) for line in w["lines"]]
        if lines:
            self.last_tag = lines[-1].split(b" ")[0].decode("latin-1")
        wire.send(b"".join(line + b"\r\n" for line in lines))

    def do_raw(self, wire, w):
        wire.send(self.bytes(w["text"]) * w["repeat"])

    def do_pause(self, _, w):
        time.sleep(w["ms"] / 1000)

    def do_close(self, wire, w):
        wire.close(w["reset"])

    def do_meet(self, _, w):
        barrier = self.talk.barriers.get(w["name"])
        if not barrier:
            raise Failure(f"there is no barrier {w['name']}")
        try:
            barrier.wait(PATIENCE)
        except threading.BrokenBarrierError:
            raise Failure(f"not all came to {w['name']}") from None

    def do_starttls(self, wire, w):
        wire.starttls(name=w["verify"])

    def do_expect_line(self, wire, w):
        self.match(w, wire.line(f"a line {self.describe(w['text'])}"))

    def describe(self, text):
        kind = "that matches" if text.is_regex else "that begins with"
        return f"{kind} {text.raw!r}"

    def match(self, w, line):
        text = w["text"]
        if text.is_regex:
            fits = compile_ere(self.text(text)).search(line)
        else:
            fits = line.startswith(self.text(text))
        if not fits:
            raise Failure(f"expected a line {self.describe(text)}, got: "
                          f"{line}")
        self.capture(w, line)

    def capture(self, w, text):
        if not w.get("capture"):
            return
        name, pattern = w["capture"]
        found = compile_ere(self.text(pattern)).search(text)
        if not found or not found.groups():
            raise Failure(f"nothing to capture by {pattern.raw!r} in: {text}")
        self.talk.values[f"{self.statement.name}.{name}"] = found.group(1)

    def do_expect_code(self, wire, w):
        wanted = f"{w['code']} {w['dsn'] or ''}".strip()
        reply = wire.reply(wanted)
        code = str(reply.code)
        fits = code == w["code"] or (w["code"].endswith("xx") and
                                     code[0] == w["code"][0])
        if not fits or w["dsn"] not in (None, reply.dsn):
            raise Failure(f"expected {wanted}, got: {reply}")
        for keyword in w["has"]:
            if not reply.has(self.text(keyword)):
                raise Failure(f"there is no {keyword.raw} in: {reply}")
        self.capture(w, "\n".join(reply.lines))

    def do_expect_eof(self, wire, _):
        wire.eof()

    def do_expect_silence(self, wire, w):
        wire.silence(w["ms"] / 1000)

    def do_expect_data(self, wire, w):
        lines = wire.data()
        self.talk.check_message(lines, w["checks"])

    def do_expect_untagged(self, wire, w):
        line = wire.line("an untagged reply")
        if not line.startswith("* "):
            raise Failure(f"expected an untagged reply, got: {line}")
        self.match(w, line[2:])

    def do_expect_tag(self, wire, w):
        while True:
            line = wire.line(f"the reply to {self.last_tag}")
            if line.startswith(self.last_tag + " "):
                break
            if not line.startswith(("* ", "+ ")):
                raise Failure(f"neither untagged nor of {self.last_tag}: "
                              f"{line}")
        if line.split(" ")[1:2] != [w["result"]]:
            raise Failure(f"expected {w['result']}, got: {line}")


class Client(Actor):
    def perform(self):
        w = self.statement.words
        to = self.text(w["connect"])
        addr, colon, port = to.rpartition(":")
        if not colon or not port.isdigit():
            raise self.talk.error(self.statement.line,
                                  f"not an address and a port: {to}")
        bind = self.text(w["bind"]) if w["bind"] else None
        try:
            wire = Wire((addr, int(port)), bind)
            if w["tls"]:
                wire.starttls()
        except OSError as e:
            raise self.talk.error(self.statement.line,
                                  f"{self.name}: {to}: {e}") from None
        wire.segment = w["segment"]
        self.steps(wire, w["steps"])


class Server(Actor):
    """Takes as many connections as it has blocks."""

    def __init__(self, talk, statement):
        super().__init__(talk, statement)
        self.listener = socket.create_server((suites.own_address(), 0))
        addr, port = self.listener.getsockname()
        talk.values[f"{statement.name}.addr"] = addr
        talk.values[f"{statement.name}.port"] = str(port)

    def perform(self):
        with self.listener:
            for block in self.statement.words["blocks"]:
                self.listener.settimeout(PATIENCE)
                try:
                    connection, _ = self.listener.accept()
                except socket.timeout:
                    raise self.talk.error(
                        self.statement.line,
                        f"{self.name}: nobody connected") from None
                wire = Wire(connection)
                self.steps(wire, block)
                wire.close()


class Talk:
    """One run of a talk."""

    def __init__(self, path, statements, make_suite):
        self.path = path
        self.statements = statements
        self.make_suite = make_suite
        self.values = {}
        self.suites = {}
        self.actors = {}
        self.all_actors = []
        self.barriers = {}
        self.errors = []  # of actors, in the order in which they came
        self.never_logged = []

    def error(self, line, text):
        return TalkError(self.path, line, text)

    def expand(self, text):
        def value(found):
            name = found.group(1)
            if name not in self.values:
                raise Failure(f"nothing is called {name}; there are "
                              + ", ".join(sorted(self.values)))
            plain = self.values[name]
            return re.escape(plain) if text.is_regex else plain
        return MACRO.sub(value, text.raw)

    def run(self):
        self.run_all(self.statements)
        for actor in self.all_actors:
            if actor.is_alive() or actor.error:
                actor.finish()
        for line, suite, pattern in self.never_logged:
            self.check_not_logged(line, suite, pattern)

    def run_all(self, statements):
        for s in statements:
            try:
                getattr(self, "do_" + s.kind)(s)
            except (Failure, AssertionError, subprocess.TimeoutExpired) as e:
                raise self.error(s.line, f"{s.kind} {s.name}: {e}") from e

    def do_foreach(self, s):
        for value in s.words["values"]:
            self.values[s.name] = self.expand(value)
            self.run_all(s.words["body"])
        del self.values[s.name]

    def do_barrier(self, s):
        self.barriers[s.name] = threading.Barrier(s.words["n"])

    def do_shell(self, s):
        env = dict(os.environ)
        for suite in self.suites.values():
            env.update(suite.environment())
            break
        done = subprocess.run(
            ["sh", "-c", self.expand(s.words["command"])], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=PATIENCE * 3, check=False)
        out = done.stdout.decode("latin-1")
        if done.returncode != s.words["exit"]:
            raise Failure(f"exit status {done.returncode}, not "
                          f"{s.words['exit']}; it said: {out}")
        match = s.words["match"]
        if match and not compile_ere(self.expand(match)).search(out):
            raise Failure(f"{match.raw!r} does not match: {out}")

    # Clients and servers.

    def do_client(self, s):
        self.act(s, Client, s.words["steps"] is not None)

    def do_server(self, s):
        self.act(s, Server, bool(s.words["blocks"]))

    def act(self, s, kind, is_new):
        if is_new:
            if kind is Client and not s.words["connect"]:
                raise Failure("a client needs -connect ADDRESS:PORT")
            self.actors[s.name] = kind(self, s)
            self.all_actors.append(self.actors[s.name])
        if s.name not in self.actors:
            raise Failure("it was never begun")
        actor = self.actors[s.name]
        for act in s.words["acts"]:
            if act in ("-start", "-run"):
                actor.start()
            if act in ("-wait", "-run"):
                actor.finish()

    # Suites.

    def do_suite(self, s):
        if s.words["parts"] is not None:
            self.new_suite(s)
        if s.name not in self.suites:
            raise Failure("it was never begun")
        suite = self.suites[s.name]
        for act in s.words["acts"]:
            verb = act.verb[1:].replace("-", "_")
            try:
                getattr(self, "suite_" + verb)(suite, act)
            except (Failure, AssertionError) as e:
                raise self.error(act.line,
                                 f"suite {s.name} {act.verb}: {e}") from e

    def new_suite(self, s):
        suite = self.make_suite(s.name, users=())
        self.suites[s.name] = suite
        for service in ("smtp", "submission", "submissions", "imap", "imaps",
                        "pop3", "pop3s", "lmtp"):
            self.values[f"{s.name}.{service}"] = (
                f"{suite.addr}:{suite.port(service)}")
        self.values[f"{s.name}.addr"] = suite.addr
        self.values[f"{s.name}.dir"] = str(suite.dir)
        self.values[f"{s.name}.conf"] = str(suite.etc)
        self.values[f"{s.name}.domain"] = suite.domain
        passwords = {}
        for part in s.words["parts"]:
            if part.verb == "user":
                self.new_user(suite, part.words)
                if part.words["password"]:
                    passwords[part.words["name"]] = self.expand(
                        part.words["password"])
                continue
            name = part.words["file"]
            lines = [self.expand_known(line) for line in part.words["lines"]]
            if name == "main.cf":
                self.override(suite, lines)
            suite.files[name] = suite.files.get(name, "") + "".join(
                line + "\n" for line in lines)
        if passwords:
            suite.with_tls().with_auth(**passwords).with_mailboxes()

    def expand_known(self, line):
        """In files of configuration ${x} may well be theirs."""
        return MACRO.sub(lambda m: self.values.get(m[1], m[0]), line)

    @staticmethod
    def override(suite, lines):
        """What a talk sets itself, the suite does not set before it."""
        for line in lines:
            name = line.split("=")[0].strip()
            if re.fullmatch(r"\w+", name):
                suite.params.pop(name, None)

    def new_user(self, suite, w):
        suite.add_user(w["name"])
        for n, file in enumerate(w["mailbox"]):
            new = suite.mailbox(w["name"]).path / "new"
            new.mkdir(parents=True, exist_ok=True)
            data = (suites.TOP / self.expand(file)).read_bytes()
            (new / f"{n + 1}.seed").write_bytes(data)
        if w["mailbox"] and suites.is_root():
            subprocess.run(["chown", "-R", str(suites.MAIL_UID), suite.mail],
                           check=True)

    @staticmethod
    def suite_start(suite, _):
        suite.start()

    @staticmethod
    def suite_stop(suite, act):
        suite.take_away(act.words["service"])

    @staticmethod
    def suite_clock(suite, act):
        suite.clock(act.words["by"])

    def suite_mailbox(self, suite, act):
        user = act.words["user"]
        if user not in suite.users:
            raise Failure(f"there is no user {user}")

        def holds():
            try:
                self.check_mailbox(suite.mailbox(user), act.words["checks"])
                return True
            except (Failure, TalkError) as e:
                self.last = e
                return False
        try:
            suites.wait_for("a mailbox", holds, PATIENCE)
        except suites.TimeOut:
            raise Failure(f"of {user}: {self.last}") from None

    def check_mailbox(self, mailbox, checks):
        messages = mailbox.messages()
        for check in checks:
            w = check.words
            if check.verb == "count":
                if len(messages) != w["n"]:
                    raise self.error(check.line, f"{len(messages)} messages, "
                                                 f"not {w['n']}")
                continue
            n = w.get("message", 1)
            if not 1 <= n <= len(messages):
                raise self.error(check.line, f"there is no message {n} of "
                                             f"{len(messages)}")
            self.check_message(messages[n - 1].lines, [check])

    def check_message(self, lines, checks):
        head = lines[:lines.index("")] if "" in lines else lines
        head = re.sub(r"\n[ \t]+", " ", "\n".join(head)).split("\n")
        for check in checks:
            try:
                self.check_one(lines, head, check)
            except Failure as e:
                raise self.error(check.line, str(e)) from None

    def check_one(self, lines, head, check):
        w = check.words
        if check.verb == "line":
            if not any(self.fits(w["text"], line) for line in lines):
                raise Failure(f"there is no line {w['text'].raw!r}")
            return
        if check.verb not in ("header", "header-count"):
            raise Failure(f"{check.verb} is for mailboxes")
        name = w["header"].lower() + ":"
        values = [line.split(":", 1)[1].strip() for line in head
                  if line.lower().startswith(name)]
        if check.verb == "header-count":
            if len(values) != w["n"]:
                raise Failure(f"{len(values)} headers {w['header']}, not "
                              f"{w['n']}")
        elif not any(self.fits(w["text"], value) for value in values):
            raise Failure(f"{w['header']} is {values}, not "
                          f"{w['text'].raw!r}")

    def fits(self, text, line):
        if text.is_regex:
            return compile_ere(self.expand(text)).search(line)
        return line == self.expand(text)

    def suite_expect_queue(self, suite, act):
        w = act.words
        if w["state"] == "none":
            suite.wait_empty()
            return
        ident = self.expand(Text(w["id"]))
        suites.wait_for(
            f"{ident} in {w['state']}",
            lambda: any(m["queue_id"] == ident and
                        m["queue_name"] == w["state"] for m in suite.queue()))

    def pattern(self, text):
        return (self.expand(text) if text.is_regex
                else re.escape(self.expand(text)))

    def suite_expect_log(self, suite, act):
        for service, text in act.words["lines"]:
            compile_ere(self.pattern(text))
            suite.log.wait(self.pattern(text), service, patience=PATIENCE)

    def suite_expect_no_log(self, suite, act):
        pattern = self.pattern(act.words["text"])
        self.never_logged.append((act.line, suite, pattern))
        self.check_not_logged(act.line, suite, pattern)

    def check_not_logged(self, line, suite, pattern):
        for found in suite.log.text().splitlines():
            if re.search(pattern, found):
                raise self.error(line, f"the log has: {found}")

    def report(self):
        lines = [line for a in self.all_actors for line in a.transcript()]
        return "\n".join(lines)


class TalkItem(pytest.Item):
    def __init__(self, *, statements, **more):
        super().__init__(**more)
        self.statements = statements

    def runtest(self):
        maker = suites.Maker()
        talk = Talk(shown(self.path), self.statements, maker.make)
        try:
            talk.run()
        except BaseException:
            self.add_report_section("call", "transcripts", talk.report())
            self.add_report_section("call", "suite", maker.finish(True))
            raise
        maker.finish(False)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, (TalkError, AssertionError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, self.name


class TalkFile(pytest.File):
    def collect(self):
        title, statements = Parser(
            shown(self.path), self.path.read_text("latin-1")).parse()
        yield TalkItem.from_parent(self, name=title, statements=statements)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, TalkError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


def shown(path):
    try:
        return path.relative_to(pathlib.Path.cwd())
    except ValueError:
        return path


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".talk":
        return TalkFile.from_parent(parent, path=file_path)
    return None
