"""The talk language: from text to statements. What they do is in talk.py.

All text is Latin-1, a character a byte, so that a talk may hold any byte.
"""
import dataclasses
import re


class TalkError(Exception):
    """Where a talk is wrong, or what it says does not hold."""

    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


@dataclasses.dataclass
class Text:
    """A string of a talk, whose macros are not yet replaced."""
    raw: str
    is_regex: bool = False


@dataclasses.dataclass
class Step:
    line: int
    verb: str
    words: dict


@dataclasses.dataclass
class Statement:
    line: int
    kind: str
    name: str = ""
    words: dict = dataclasses.field(default_factory=dict)


ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"'}
WORD = re.compile(r'(?:\$\{[^}\n]*\}|[^\s{}"#])+')
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def unescape(raw, complain):
    def one(found):
        text = found.group(1)
        if text[0] == "x":
            return chr(int(text[1:], 16))
        if text not in ESCAPES:
            complain(f"no such escape: \\{text}")
        return ESCAPES[text]
    return re.sub(r"\\(x[0-9A-Fa-f]{2}|.)", one, raw)


class Reader:
    """Tokens of a talk: words, strings, braces, ends of lines; raw blocks."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.at = 0

    @property
    def line(self):
        return self.text.count("\n", 0, self.at) + 1

    def complain(self, text):
        raise TalkError(self.path, self.line, text)

    def skip_blanks(self, lines=False):
        blank = r"(?:[ \t]|\\\n|#[^\n]*)*"
        if lines:
            blank = r"(?:\s|#[^\n]*)*"
        self.at = re.compile(blank).match(self.text, self.at).end()

    def at_line_end(self):
        self.skip_blanks()
        return self.at >= len(self.text) or self.text[self.at] in "\n}"

    def peek(self, mark):
        self.skip_blanks()
        return self.text.startswith(mark, self.at)

    def take(self, mark, what=None):
        if not self.peek(mark):
            self.complain(f"expected {what or mark}, found "
                          f"{self.shown()}")
        self.at += len(mark)

    def shown(self):
        rest = self.text[self.at:self.at + 30].split("\n")[0]
        return repr(rest) if rest else "the end of the line"

    def word(self, what="a word"):
        self.skip_blanks()
        found = WORD.match(self.text, self.at)
        if not found:
            self.complain(f"expected {what}, found {self.shown()}")
        self.at = found.end()
        return found.group()

    def maybe_word(self, *words):
        """Takes one of these words, if it stands here."""
        self.skip_blanks()
        found = WORD.match(self.text, self.at)
        if not found or found.group() not in words:
            return None
        self.at = found.end()
        return found.group()

    def number(self, what="a number"):
        word = self.word(what)
        if not word.isdigit():
            self.complain(f"expected {what}, found {word!r}")
        return int(word)

    def string(self, what="a string", regex=False):
        self.skip_blanks()
        found = STRING.match(self.text, self.at)
        if not found:
            self.complain(f"expected {what}, found {self.shown()}")
        self.at = found.end()
        raw = found.group(1)
        if regex:
            return Text(raw.replace('\\"', '"'), True)
        return Text(unescape(raw, self.complain))

    def string_or_regex(self, what):
        if self.maybe_word("~"):
            return self.string("an expression", regex=True)
        return self.string(what)

    def end_line(self):
        if not self.at_line_end():
            self.complain(f"did not expect {self.shown()} here")

    def block(self, parse):
        """Parses what stands between braces, one `parse()` a line."""
        self.take("{")
        opened = self.line
        parsed = []
        while True:
            self.skip_blanks(lines=True)
            if self.at >= len(self.text):
                raise TalkError(self.path, opened,
                                "this block has no closing brace")
            if self.peek("}"):
                self.at += 1
                return parsed
            parsed.append(parse())
            self.end_line()

    def raw_block(self):
        """The lines between braces as they are, less their indentation."""
        start = self.text.rfind("\n", 0, self.at) + 1
        indent = re.match(r"[ \t]*", self.text[start:]).group()
        self.take("{")
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        rest = self.text[self.at:end]
        if rest.strip():
            close = rest.rfind("}")
            if close < 0:
                self.complain("the block's text begins on the next line")
            self.at += close + 1
            return [rest[:close].strip()]
        opened = self.line
        self.at = end + 1
        lines = []
        while True:
            if self.at >= len(self.text):
                raise TalkError(self.path, opened,
                                "this block has no closing brace")
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at:end]
            if line.startswith(indent + "}"):
                self.at += len(indent) + 1
                return lines
            if line.startswith(indent + "\t"):
                line = line[len(indent) + 1:]
            elif line.strip():
                self.complain("a line of a block is indented by one tab "
                              "more than the block")
            else:
                line = ""
            lines.append(line)
            self.at = end + 1


class Parser:
    def __init__(self, path, text):
        self.r = Reader(path, text)

    def parse(self):
        """Returns (title, statements)."""
        r = self.r
        r.skip_blanks(lines=True)
        if not r.maybe_word("talk"):
            r.complain('a talk begins with: talk "TITLE"')
        title = r.string("a title").raw
        r.end_line()
        statements = []
        while True:
            r.skip_blanks(lines=True)
            if r.at >= len(r.text):
                return title, statements
            statements.append(self.statement())
            r.end_line()

    def statement(self):
        r = self.r
        line = r.line
        kind = r.word("a statement")
        kinds = {"suite": self.suite, "client": self.client,
                 "server": self.server, "shell": self.shell,
                 "foreach": self.foreach, "barrier": self.barrier}
        if kind not in kinds:
            r.complain(f"no such statement: {kind}; there are "
                       + ", ".join(kinds))
        statement = Statement(line, kind)
        kinds[kind](statement)
        return statement

    def suite(self, s):
        r = self.r
        s.name = r.word("the name of a suite")
        s.words = {"parts": None, "acts": []}
        if r.peek("{"):
            s.words["parts"] = r.block(self.suite_part)
        while not r.at_line_end():
            s.words["acts"].append(self.suite_act())

    def suite_part(self):
        r = self.r
        step = Step(r.line, r.word("conf or user"), {})
        if step.verb == "conf":
            step.words = {"file": r.word("a file"), "lines": r.raw_block()}
        elif step.verb == "user":
            step.words = {"name": r.word("a user"), "password": None,
                          "mailbox": []}
            if r.maybe_word("password"):
                step.words["password"] = r.string()
            if r.maybe_word("mailbox"):
                step.words["mailbox"] = r.block(self.mailbox_part)
        else:
            r.complain(f"a suite has conf and user, not {step.verb}")
        return step

    def mailbox_part(self):
        if not self.r.maybe_word("new"):
            self.r.complain('a mailbox has: new "FILE"')
        return self.r.string("a file")

    def suite_act(self):
        r = self.r
        step = Step(r.line, r.word("an option"), {})
        w = step.words
        if step.verb == "-start":
            pass
        elif step.verb == "-stop":
            w["service"] = r.word("a service")
        elif step.verb == "-clock":
            w["by"] = r.word("a time, as +61s")
        elif step.verb == "-mailbox":
            w["user"] = r.word("a user")
            w["checks"] = r.block(self.check)
        elif step.verb == "-expect-queue":
            w["state"] = r.word("a state, or none")
            if w["state"] != "none":
                w["id"] = r.word("a queue ID")
        elif step.verb == "-expect-log":
            w["lines"] = r.block(self.log_line)
        elif step.verb == "-expect-no-log":
            w["text"] = r.string_or_regex("a text")
        else:
            r.complain(f"a suite has no option {step.verb}")
        return step

    def log_line(self):
        r = self.r
        service = r.word("a service and a colon")
        if not service.endswith(":"):
            r.complain(f"expected a colon behind {service}")
        return (service[:-1], r.string_or_regex("a text"))

    def check(self):
        r = self.r
        step = Step(r.line, r.word("a check"), {})
        w = step.words
        if step.verb == "count":
            w["n"] = r.number()
            return step
        if step.verb == "message":
            w["message"] = r.number("the number of a message")
            step.verb = r.word("header or line")
        if step.verb == "line":
            w["text"] = r.string_or_regex("a line")
        elif step.verb == "header":
            w["header"] = r.word("the name of a header")
            if r.maybe_word("count"):
                step.verb = "header-count"
                w["n"] = r.number()
            elif r.maybe_word("is"):
                w["text"] = r.string_or_regex("a value")
            else:
                r.complain("a header is followed by: is, count")
        else:
            r.complain(f"no such check: {step.verb}; there are count, "
                       "message, header, line")
        return step

    def client(self, s):
        r = self.r
        s.name = r.word("the name of a client")
        w = s.words = {"steps": None, "acts": [], "connect": None,
                       "tls": False, "segment": 0, "bind": None}
        while not r.at_line_end():
            if r.peek("{"):
                if w["steps"] is not None:
                    r.complain("a client has one block")
                w["steps"] = r.block(self.step)
                continue
            option = r.word("an option")
            if option == "-connect":
                w["connect"] = Text(r.word("an address"))
            elif option == "-tls":
                w["tls"] = True
            elif option == "-segment":
                w["segment"] = r.number()
            elif option == "-bind":
                w["bind"] = Text(r.word("an address"))
            elif option in ("-run", "-start", "-wait"):
                w["acts"].append(option)
            else:
                r.complain(f"a client has no option {option}")

    def server(self, s):
        r = self.r
        s.name = r.word("the name of a server")
        w = s.words = {"blocks": [], "acts": []}
        while not r.at_line_end():
            if r.peek("{"):
                w["blocks"].append(r.block(self.step))
                continue
            option = r.word("an option")
            if option == "-then":
                if not w["blocks"] or not r.peek("{"):
                    r.complain("-then stands between two blocks")
            elif option in ("-listen", "-start", "-wait"):
                w["acts"].append(option)
            elif option == "-dns":
                r.complain("nothing of the suite asks a name server yet")
            else:
                r.complain(f"a server has no option {option}")

    def shell(self, s):
        r = self.r
        s.words = {"command": r.string("a command"), "exit": 0,
                   "match": None}
        while not r.at_line_end():
            option = r.word("an option")
            if option == "-exit":
                s.words["exit"] = r.number()
            elif option == "-match":
                s.words["match"] = r.string("an expression", regex=True)
            else:
                r.complain(f"shell has no option {option}")

    def foreach(self, s):
        r = self.r
        s.name = r.word("the name of a variable")
        values = []
        r.take("{")
        while True:
            r.skip_blanks(lines=True)
            if r.peek("}"):
                r.at += 1
                break
            values.append(r.string("a value"))
        s.words = {"values": values, "body": r.block(self.statement)}

    def barrier(self, s):
        s.name = self.r.word("the name of a barrier")
        s.words = {"n": self.r.number("how many meet")}

    def step(self):
        r = self.r
        step = Step(r.line, r.word("a step"), {})
        parse = getattr(self, "step_" + step.verb.replace("-", "_"), None)
        if not parse:
            r.complain(f"no such step: {step.verb}")
        parse(step, step.words)
        return step

    def step_send(self, _, w):
        if self.r.peek("{"):
            w["lines"] = [Text(line) for line in self.r.raw_block()]
        else:
            w["lines"] = [self.r.string("a line")]

    def step_raw(self, _, w):
        w["text"] = self.r.string("bytes")
        w["repeat"] = self.r.number() if self.r.maybe_word("-repeat") else 1

    def step_starttls(self, _, w):
        w["verify"] = self.r.word() if self.r.maybe_word("-verify") else None

    def step_pause(self, _, w):
        w["ms"] = self.r.number("milliseconds")

    def step_close(self, _, w):
        w["reset"] = bool(self.r.maybe_word("-reset"))

    def step_meet(self, _, w):
        w["name"] = self.r.word("the name of a barrier")

    def step_expect_data(self, _, w):
        w["checks"] = self.r.block(self.check)

    def step_expect(self, step, w):
        r = self.r
        if r.peek('"') or r.peek("~"):
            step.verb = "expect-line"
            w["text"] = r.string_or_regex("a line")
            self.capture(w)
            return
        word = r.word("what is expected")
        if word == "eof":
            step.verb = "expect-eof"
        elif word == "silence":
            step.verb = "expect-silence"
            w["ms"] = r.number("milliseconds")
        elif word == "untagged":
            step.verb = "expect-untagged"
            w["text"] = r.string_or_regex("a text")
            self.capture(w)
        elif word == "tag":
            step.verb = "expect-tag"
            w["result"] = r.word("OK, NO or BAD")
        elif re.fullmatch(r"[2-5](\d\d|xx)", word):
            step.verb = "expect-code"
            w.update(code=word, dsn=None, has=[])
            self.code_rest(w)
        else:
            r.complain(f"cannot expect {word!r}")

    def code_rest(self, w):
        r = self.r
        r.skip_blanks()
        found = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b").match(r.text, r.at)
        if found:
            w["dsn"] = found.group()
            r.at = found.end()
        while r.maybe_word("has"):
            w["has"].append(r.string("a keyword"))
        self.capture(w)

    def capture(self, w):
        w["capture"] = None
        if self.r.maybe_word("capture"):
            name = self.r.word("the name of a variable")
            w["capture"] = (name, self.r.string("an expression", regex=True))
