"""The interpreter of talks, against sockets that are scripted themselves."""
import pathlib

import pytest

from suite import TOP
from talk import Talk
from talklang import Parser, TalkError


def run(text):
    path = pathlib.Path("x.talk")
    title, statements = Parser(path, 'talk "x"\n' + text).parse()
    assert title == "x"
    talk = Talk(path, statements, None)
    talk.run()
    return talk


def fails(text, line, words):
    with pytest.raises(TalkError) as e:
        run(text)
    assert str(e.value).startswith(f"x.talk:{line}: "), str(e.value)
    assert words in str(e.value)


def both(server, client, options=""):
    return f"""
server s -listen {{
{server}
}} -start
client c -connect ${{s.addr}}:${{s.port}} {options} {{
{client}
}} -run
server s -wait
"""


@pytest.mark.parametrize("text, line, words", [
    ("suite main {", 2, "no closing brace"),
    ("client c -connect a:1 {\n\tsend {\n\t\tx\n", 3, "no closing brace"),
    ("client c -connect a:1 {\n\tsend {\n\tx\n\t}\n}", 4, "one tab more"),
    ("sweet main", 2, "no such statement: sweet; there are suite"),
    ("client c -connect a:1 {\n\texpct 220\n}", 3, "no such step: expct"),
    ("client c -connect a:1 {\n\texpect 22\n}", 3, "cannot expect '22'"),
    ("client c -connect a:1 {\n\texpect 220 hass \"x\"\n}", 3,
     "did not expect 'hass"),
    ("client c -connect a:1 {\n\tsend \"a\\q\"\n}", 3, "no such escape: \\q"),
    ("client c -connect a:1 {\n\tpause long\n}", 3, "expected milliseconds"),
    ("client c -connect a:1 {\n\tsend \"a\n}", 3, "expected a line"),
    ("client c -konnect a:1", 2, "a client has no option -konnect"),
    ("server s -then {\n}", 2, "-then stands between two blocks"),
    ("suite main {\n\tconfig x {\n\t}\n}", 3, "a suite has conf and user"),
    ("suite main -mailbox a {\n\tcounts 1\n}", 3, "no such check: counts"),
    ("suite main -mailbox a { header X be \"1\" }", 2,
     "a header is followed by: is, count"),
    ("suite main -expect-log { smtpd \"x\" }", 2, "expected a colon behind"),
    ('shell "true" -never', 2, "shell has no option -never"),
])
def test_what_is_misspelt_names_its_line(text, line, words):
    fails(text, line, words)


def test_a_file_begins_with_its_title():
    with pytest.raises(TalkError, match="y.talk:2: a talk begins with"):
        Parser(pathlib.Path("y.talk"), "# a comment\nsuite main").parse()


def test_all_talks_that_there_are_can_be_read():
    paths = sorted((TOP / "tests/dialogue").glob("*.talk"))
    assert paths
    for path in paths:
        Parser(path, path.read_text("latin-1")).parse()


def test_lines_blocks_bytes_and_replies():
    run(both(r'''
	send "220 s ESMTP"
	expect "EHLO c"
	send {
		250-s
		250-PIPELINING
		250 SIZE 100
	}
	expect ~ "^MAIL FROM:<[[:alpha:]]+@x\.test>$"
	expect "RCPT"
	raw "250 2.1.0 Ok\r\n550 5.1.1 <a@b>: no\r\n"
	expect "a\x00\\b"
	send "250 2.0.0 Ok: queued as A1B2C3"
	expect eof''', r'''
	expect 220
	send "EHLO c"
	expect 250 has "PIPELINING" has "SIZE"
	send {
		MAIL FROM:<a@x.test>
		RCPT
	}
	expect 250 2.1.0
	expect 5xx
	raw "a\x00\\"
	raw "b\r\n"
	expect 250 2.0.0 capture id "queued as ([0-9A-Z]+)"
	close'''))


def test_what_was_captured_can_be_used_at_once_and_in_expressions():
    talk = run(both('''
	send "id a.b"
	expect "you said a.b"
	send "a.b"''', r'''
	expect "id " capture id "id (.+)$"
	send "you said ${c.id}"
	expect ~ "^${c.id}$"'''))
    assert talk.values["c.id"] == "a.b"
    fails(both('send "id a.b"\nsend "axb"', '''
	expect "id " capture id "id (.+)$"
	expect ~ "^${c.id}$"'''), 10, "expected a line that matches")


def test_data_loses_its_dots_and_is_checked():
    steps = '''
	send "354 go"
	expect-data {
		header Subject is "one two"
		header received count 2
		line ".dot"
		line ~ "^b.dy$"
	}
	send "250 ok"'''
    sent = '''
	expect 354
	send {
		Received: a
		Received: b
		Subject: one
		 two

		body
		..dot
		.
	}
	expect 250'''
    run(both(steps, sent))
    fails(both(steps.replace("count 2", "count 3"), sent), 8,
          "2 headers received, not 3")
    fails(both(steps.replace('".dot"', '"..dot"'), sent), 9,
          "there is no line '..dot'")


def test_segments_repetition_and_foreach():
    run('foreach what { "a" "b\\x21" } {' + both('''
	expect "${what}${what}${what}"''', r'''
	raw "${what}" -repeat 3
	raw "\r\n"''', "-segment 1") + "}")


@pytest.mark.parametrize("server, client, line, words", [
    ('send "250 ok"', "expect 220", 7, "expected 220, got: 250 ok"),
    ('send "250 2.1.0 ok"', "expect 250 2.1.5", 7,
     "expected 250 2.1.5, got: 250 2.1.0 ok"),
    ('send "250 A B"', 'expect 250 has "C"', 7, "there is no C in"),
    ('send "hello"', "expect 250", 7, "expected 250, got: hello"),
    ('close', "expect 250", 7, "the connection ended instead of 250"),
    ('send "x"', "expect eof", 7, "expected the end of the connection"),
    ('send "x"', "expect silence 2000", 7, "expected silence, got: x"),
    ('send "+OK"', 'expect "-ERR"', 7, "a line that begins with '-ERR'"),
    ('send "x"', 'expect "x" capture y "(z)"', 7, "nothing to capture"),
    ('expect "a"', 'send "b${nobody}"', 7, "nothing is called nobody"),
    ('send "* 1 X"\nsend "a NO x"', 'send "a x"\nexpect tag OK', 9,
     "expected OK, got: a NO x"),
    ('expect eof', 'meet them', 7, "there is no barrier them"),
])
def test_what_does_not_hold_names_its_line(server, client, line, words):
    fails(both(server, client), line, words)


def test_untagged_and_tagged():
    run(both('''
	expect "a1 SELECT"
	send {
		* 3 EXISTS
		* OK [UIDVALIDITY 7] ok
		a1 OK done
	}
	expect "a2"
	send {
		* BYE
		a2 BAD x
	}''', r'''
	send "a1 SELECT INBOX"
	expect untagged "3 EXISTS"
	expect untagged ~ "UIDVALIDITY [0-9]+"
	expect tag OK
	send "a2 X"
	expect tag BAD'''))


def test_a_server_serves_one_connection_after_another():
    run('''
server s -listen {
	send "one"
} -then {
	send "two"
} -start
client a -connect ${s.addr}:${s.port} {
	expect "one"
	expect eof
} -run
client b -connect ${s.addr}:${s.port} {
	expect "two"
	expect eof
} -run
server s -wait
''')


def test_barriers_hold_until_all_are_there():
    run('''
barrier both 2
server s -listen {
	meet both
	send "after"
} -start
client a -connect ${s.addr}:${s.port} {
	expect silence 50
	meet both
	expect "after"
} -start
client a -wait
''')


def test_a_client_that_nobody_waits_for_fails_the_talk_too():
    fails('''
server s -listen {
	send "x"
} -start
client a -connect ${s.addr}:${s.port} {
	expect "y"
} -start
''', 7, "begins with 'y'")


def test_shell_checks_status_and_output():
    run('shell "echo a; exit 3" -exit 3 -match "^a$"')
    fails('shell "echo b; exit 1"', 2, "exit status 1, not 0; it said: b")
    fails('shell "echo b" -match "c"', 2, "'c' does not match: b")


def test_a_reset_reaches_the_other_side():
    run(both("expect eof", "close -reset"))
