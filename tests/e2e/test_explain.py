"""postexplain says what smtpd answers, and where mail goes."""
import base64
import json

import pytest

LISTS = {
    "smtpd_client_restrictions":
        "check_client_access inline:{{127.0.0.9=REJECT go away} "
        "{127.0.0.8=450 4.7.1 later}}, permit",
    "smtpd_helo_restrictions":
        "check_helo_access inline:{{bad.test=REJECT} {warn.test=WARN odd}}, "
        "reject_invalid_helo_hostname",
    "smtpd_sender_restrictions":
        "reject_non_fqdn_sender, check_sender_access "
        "inline:{{spam@client.test=554 5.7.1 no spam} "
        "{client.net=REJECT} {lost@client.test=DISCARD} "
        "{held@client.test=HOLD}}",
    "smtpd_relay_restrictions":
        "permit_mynetworks, permit_sasl_authenticated, "
        "reject_unauth_destination",
    "smtpd_recipient_restrictions":
        "check_recipient_access inline:{{full@example.test=452 4.2.2 full} "
        "{strict@example.test=greedy}}, permit_mynetworks",
    "smtpd_restriction_classes": "greedy",
    "greedy": "warn_if_reject reject, "
              "check_sender_access inline:{bob@client.test=OK}, reject",
    "smtpd_data_restrictions":
        "check_sender_access inline:{{late@client.test=REJECT at data}}",
    "smtpd_end_of_data_restrictions":
        "check_sender_access inline:{{last@client.test=REJECT at the end}}",
    "virtual_alias_maps":
        "inline:{{team@example.test=alice@example.test, bob@example.test} "
        "{strict@example.test=alice@example.test} "
        "{out@example.test=x@far.test}}",
    "recipient_canonical_maps": "inline:{old@example.test=alice@example.test}",
}

STRANGER, OURS, REFUSED, LATER = ("127.0.0.1", "127.0.0.2", "127.0.0.9",
                                  "127.0.0.8")

# client, helo, sender, recipient
SESSIONS = [
    (client, "client.test", "bob@client.test", rcpt)
    for client in (STRANGER, OURS, REFUSED, LATER)
    for rcpt in ("alice@example.test", "nobody@example.test", "x@far.test",
                 "team@example.test", "postmaster", "old@example.test")
] + [
    (client, "client.test", sender, "alice@example.test")
    for client in (STRANGER, OURS)
    for sender in ("", "spam@client.test", "x@client.net", "x@sub.client.net",
                   "lost@client.test", "held@client.test", "late@client.test",
                   "last@client.test", "nodomain", "SPAM@CLIENT.TEST")
] + [
    (STRANGER, helo, "bob@client.test", "alice@example.test")
    for helo in ("bad.test", "warn.test", "[127.0.0.1]", "-odd-", "a_b.test")
] + [
    (STRANGER, "client.test", sender, rcpt)
    for sender, rcpt in [
        ("bob@client.test", "strict@example.test"),
        ("eve@client.test", "strict@example.test"),
        ("bob@client.test", "full@example.test"),
        ("bob@client.test", "x%far.test@example.test"),
        ("bob@client.test", "x@[127.0.0.1]"),
        ("bob@client.test", "alice"),
        ("bob@client.test", "a@@b"),
        ("bob@client.test", ""),
    ]
]


def replies_of(suite, client, helo, sender, rcpt, auth=None):
    """What a running smtpd answers, up to its first refusal."""
    replies = []
    with suite.wire(client) as wire:
        def take():
            replies.append(str(wire.reply()).split(" / ")[-1])
            return replies[-1][:1] in ("2", "3")

        def say(line):
            wire.send(line.encode() + b"\r\n")
            return take()

        commands = [f"EHLO {helo}"]
        if auth:
            commands += ["AUTH PLAIN " + auth]
        commands += [f"MAIL FROM:<{sender}>", f"RCPT TO:<{rcpt}>", "DATA"]
        if take() and all(say(line) for line in commands):
            say("Subject: x\r\n\r\nx\r\n.")
    return replies


def explain(suite, client, helo, sender, rcpt, *more):
    name = "localhost" if client == STRANGER else "unknown"
    done = suite.run("postexplain", "session", "-j", "--client", client,
                     "--client-name", name, "--helo", helo, "--from", sender,
                     "--to", rcpt, *more, ok=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def assert_same(suite, session, auth=None, more=()):
    live = replies_of(suite, *session, auth=auth)
    status, told = explain(suite, *session, *more)
    said = [step["reply"] for step in told["steps"] if "reply" in step]
    is_queued = live[-1].startswith("250 2.0.0 Ok: queued as ")
    assert said == (live[:-1] if is_queued else live), session
    assert status == (0 if is_queued else 1), session
    assert (told["verdict"] == "refused") == (status == 1), session
    return told


def test_sessions_are_answered_as_by_smtpd(make_suite):
    assert len(SESSIONS) >= 30
    suite = make_suite(**LISTS).start()
    verdicts = {assert_same(suite, session)["verdict"]
                for session in SESSIONS}
    assert verdicts == {"accepted", "refused", "discarded"}
    # Nothing of it was ever sent.
    assert "postexplain" not in suite.log.text()


@pytest.mark.parametrize("delay", ["yes", "no"])
@pytest.mark.parametrize("client, helo, sender", [
    (REFUSED, "client.test", "bob@client.test"),
    (STRANGER, "bad.test", "bob@client.test"),
    (STRANGER, "client.test", "spam@client.test"),
    (STRANGER, "client.test", "x y@client.test"),
])
def test_where_a_refusal_comes(make_suite, delay, client, helo, sender):
    suite = make_suite(smtpd_delay_reject=delay,
                       strict_rfc821_envelopes="yes", **LISTS).start()
    assert_same(suite, (client, helo, sender, "alice@example.test"))


def test_who_has_authenticated(make_suite):
    suite = make_suite(smtpd_sender_login_maps="inline:"
                       "{bob@example.test=alice@example.test}")
    suite.with_auth(alice="secret").set(
        smtpd_sender_restrictions="reject_sender_login_mismatch").start()
    auth = base64.b64encode(b"\0alice@example.test\0secret").decode()
    for sender in ("bob@example.test", "x@example.test"):
        for rcpt in ("bob@example.test", "x@far.test"):
            assert_same(suite, (STRANGER, "client.test", sender, rcpt), auth,
                        ["--sasl-user", "alice@example.test"])
            assert_same(suite, (STRANGER, "client.test", sender, rcpt))


def test_the_rule_that_decides_is_told(make_suite):
    suite = make_suite(**LISTS)
    suite.write()
    done = suite.run("postexplain", "session", "--client", STRANGER,
                     "--helo", "client.test", "--from", "x@client.net",
                     "--to", "alice@example.test", ok=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    table = LISTS["smtpd_sender_restrictions"].split(
        "check_sender_access ")[1]
    assert lines[-1] == ("refused by smtpd_sender_restrictions: "
                         f"check_sender_access {table} (client.net)")
    assert ("  smtpd_sender_restrictions: reject_non_fqdn_sender: dunno"
            in lines)
    assert any(line.endswith("(client.net): REJECT: reject")
               for line in lines)


def test_the_options_of_a_service_count(make_suite):
    suite = make_suite(**LISTS)
    suite.services["submission"] = (
        f"{suite.addr}:{suite.port('submission')} inet n - n - - smtpd "
        "-o smtpd_relay_restrictions=permit_sasl_authenticated,reject "
        "-o smtpd_recipient_restrictions=")
    suite.write()
    session = ["--client", OURS, "--helo", "client.test", "--from",
               "bob@client.test", "--to", "alice@example.test"]
    assert suite.run("postexplain", "session", *session).returncode == 0
    name = suite.services["submission"].split()[0]
    done = suite.run("postexplain", "session", "--service", name, *session,
                     ok=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "refused by smtpd_relay_restrictions: reject")


def test_a_table_that_does_not_answer(make_suite):
    suite = make_suite(smtpd_sender_restrictions="check_sender_access "
                       "tcp:127.0.0.1:1")
    suite.write()
    done = suite.run("postexplain", "session", "--client", STRANGER, "--to",
                     "alice@example.test", ok=False)
    assert done.returncode == 75
    assert done.stdout.splitlines()[-1].startswith("unknown by ")
    assert "warning: look-up of" in done.stderr


def test_the_way_of_an_address_is_that_of_its_mail(make_suite):
    suite = make_suite(users=["alice", "bob", "carol"], always_bcc="",
                       recipient_bcc_maps="inline:"
                       "{team@example.test=carol@example.test}",
                       **{k: v for k, v in LISTS.items() if "maps" in k})
    suite.start()
    for rcpt in ("alice", "old", "team"):
        done = suite.run("postexplain", "address", "-j",
                         f"{rcpt}@example.test")
        told = json.loads(done.stdout)
        before = {user: len(suite.mailbox(user).messages())
                  for user in ("alice", "bob", "carol")}
        suite.send("Subject: x\r\n\r\nx\r\n", to=f"{rcpt}@example.test")
        suite.wait_empty()
        got = {f"{user}@example.test" for user, n in before.items()
               if len(suite.mailbox(user).messages()) > n}
        assert {r["address"] for r in told["recipients"]} == got
        for r in told["recipients"]:
            assert (r["class"], r["transport"], r["transport-by"]) == (
                "virtual mailbox", "virtual", "virtual_transport")
            assert r["mailbox"].startswith(str(suite.mail))
    assert told["copies"] == ["carol@example.test"]


def test_each_step_of_an_address(make_suite):
    suite = make_suite(**{k: v for k, v in LISTS.items() if "maps" in k},
                       transport_maps="inline:{far.test=slow:[mx.far.test]}",
                       masquerade_domains="masked.test",
                       masquerade_classes="envelope_recipient",
                       relayhost="[relay.test]")

    def ask(address, status=0):
        done = suite.run("postexplain", "address", address, ok=False)
        assert done.returncode == status, done.stderr
        return done.stdout.splitlines()

    suite.write()
    aliases = LISTS["virtual_alias_maps"]
    assert ask("out@example.test") == [
        "address out@example.test",
        "  rewritten = out@example.test",
        "recipient x@far.test",
        f"  virtual_alias_maps {aliases} (out@example.test): x@far.test",
        "  relayhost: [relay.test]",
        "  default_transport: smtp",
        "  transport_maps inline:{far.test=slow:[mx.far.test]} (far.test): "
        "slow:[mx.far.test]",
        "  class = default",
        "  transport = slow",
        "  transport-by = transport_maps",
        "  nexthop = [mx.far.test]",
    ]
    assert ask("x@a.masked.test") == [
        "address x@a.masked.test",
        "  masquerade_domains: masked.test",
        "  rewritten = x@masked.test",
        "recipient x@masked.test",
        "  relayhost: [relay.test]",
        "  default_transport: smtp",
        "  class = default",
        "  transport = smtp",
        "  transport-by = default_transport",
        "  nexthop = [relay.test]",
    ]
    assert ask("nobody@example.test", 1)[-1] == (
        "  refused = User unknown in virtual mailbox table")
