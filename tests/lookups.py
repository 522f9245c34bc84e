"""In which order keys are asked for, of each kind of table.

A table is a memcached that has nothing and writes down what it is asked
(Recorder): Postfix has no address taken apart for a socketmap. MAIL and ACCESS are what is sent, and the settings under which it is;
observe() has a server, ours or Postfix's, go through it, and says which keys each
table was asked for, in the order of their first time.

tests/peer/lookups asks Debian's Postfix, whose answers stand in
tests/data/lookup-order; tests/e2e/test_lookup_order.py asks us.
"""
import contextlib
import os
import pathlib
import re
import socketserver
import tempfile
import threading
import time

from wire import Wire

HOST = "127.0.0.2"

# Tables that are asked for the addresses of a mail, by parameter.
TABLES = [
    "canonical_maps", "recipient_canonical_maps", "sender_canonical_maps",
    "virtual_alias_maps", "virtual_mailbox_maps", "relay_recipient_maps",
    "transport_maps", "recipient_bcc_maps",
    "sender_bcc_maps",
    "local_recipient_maps",
]

# title: (settings, sender, recipient, tables that count)
MAIL = {
    f"{kind} {address}{' ' + delimiter if delimiter != '+' else ''}": (
        {"recipient_delimiter": delimiter}, *way, tables)
    for kind, tables in {
        "virtual": ["virtual_alias_maps", "canonical_maps", "recipient_canonical_maps",
                    "transport_maps", "recipient_bcc_maps"],
        "local": ["virtual_alias_maps", "canonical_maps",
                  "transport_maps"],
        "relay": ["virtual_alias_maps", "transport_maps"],
        "elsewhere": ["virtual_alias_maps", "canonical_maps",
                      "transport_maps"],
        "sender": ["canonical_maps", "sender_canonical_maps",
                   "sender_bcc_maps"],
    }.items()
    for address, delimiter in {
        "virtual": [("u@virtual.test", "+"), ("u+x@virtual.test", "+"),
                    ("u+x+y@virtual.test", "+"), ("u-x+y@virtual.test", "-+"),
                    ("u+x@virtual.test", ""), ("+x+y@virtual.test", "+"),
                    ("postmaster+x@virtual.test", "+"),
                    ('"a@b+x"@virtual.test', "+"),
                    ('"ab+x@y"@virtual.test', "+"),
                    ('"a\\b"@virtual.test', "+"),
                    ("Mixed+Case@Virtual.TEST", "+"),
                    ('"a@b"@virtual.test', "+")],
        "local": [("u@local.test", "+"), ("u+x@local.test", "+"),
                  ("u+x-y@local.test", "+-"), ("Mixed+Case@local.test", "+"),
                  ("owner-u+x@local.test", "-"), ("postmaster@local.test", "+")],
        "relay": [("u+x@sub.relay.test", "+"), ("u@relay.test", "+")],
        "elsewhere": [("u+x@a.b.far.test", "+"), ("u@far.test", "+"),
                      ("u@[127.255.255.1]", "+")],
        "sender": [("s@far.test", "+"), ("s+x@a.far.test", "+"),
                   ('"s@b+x"@far.test', "+"),
                   ("s+x@local.test", "+")],
    }[kind]
    for way in [(address, "r@out.test") if kind == "sender"
                else ("", address)]
}

# title: (settings, recipient, tables): whether there is such a one.
LISTED = {
    f"listed {address}": ({"recipient_delimiter": "+",
                           "relay_transport": "smtp:[127.255.255.1]:1",
                           "smtpd_reject_unlisted_recipient": "yes"},
                          address, [table])
    for address, table in {
        "u+x@virtual.test": "virtual_mailbox_maps",
        "u@virtual.test": "virtual_mailbox_maps",
        "postmaster+x@virtual.test": "virtual_mailbox_maps",
        "Mixed@Virtual.Test": "virtual_mailbox_maps",
        '"a@b+x"@virtual.test': "virtual_mailbox_maps",
        '"a@b+x"@relay.test': "relay_recipient_maps",
        "u+x@local.test": "local_recipient_maps",
        "u@local.test": "local_recipient_maps",
        "u+x@relay.test": "relay_recipient_maps",
        "u+x@sub.relay.test": "relay_recipient_maps",
    }.items()
}

# title: (settings, restriction, client, helo, sender, recipient)
ACCESS = {
    f"{name} {what}{' parents' if parents else ''}": (
        {"recipient_delimiter": "+",
         "parent_domain_matches_subdomains":
         "smtpd_access_maps" if parents else ""}, f"check_{name}_access", facts)
    for parents in (False, True)
    for name, what, facts in [
        ("sender", "u+x@a.b.test", {"sender": "u+x@a.b.test"}),
        ("sender", "u@test", {"sender": "u@test"}),
        ("sender", "<>", {"sender": ""}),
        ("sender", "Mixed+Case@A.Test", {"sender": "Mixed+Case@A.Test"}),
        ("sender", "u@[192.0.2.1]", {"sender": "u@[192.0.2.1]"}),
        ("recipient", "u+x@a.b.test", {"recipient": "u+x@a.b.test"}),
        ("recipient", "postmaster+x@b.test",
         {"recipient": "postmaster+x@b.test"}),
        ("recipient", '"a@b"@c.test', {"recipient": '"a@b"@c.test'}),
        ("recipient", '"a@b+x"@c.test', {"recipient": '"a@b+x"@c.test'}),
        ("helo", "a.b.c.test", {"helo": "a.b.c.test"}),
        ("helo", "test", {"helo": "test"}),
        ("helo", "[192.0.2.1]", {"helo": "[192.0.2.1]"}),
        ("helo", "Mixed.Case.TEST", {"helo": "Mixed.Case.TEST"}),
        ("client", "127.0.0.2", {}),
    ]
}


def counts(title, key):
    """Postfix reads what stands for all when a process begins, and looks up the
    null sender; a mail that comes back has a sender, too."""
    if title in MAIL and MAIL[title][1]:
        sender = MAIL[title][1]
        return key.startswith(("s", '"s')) or key == sender[sender.rindex("@"):]
    return key not in ("*", '""')



class Recorder:
    """Tables that have nothing: name -> keys that it was asked for."""

    def __init__(self, addr):
        self.asked = {}
        self.dir = tempfile.TemporaryDirectory(prefix="recorder-")
        pathlib.Path(self.dir.name).chmod(0o755)
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    for line in self.rfile:
                        for word in line.decode("latin-1").split()[1:]:
                            outer.note(word)
                        self.wfile.write(b"END\r\n")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

        self.server = Server((addr, 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def note(self, word):
        name, _, key = word.partition("=")
        keys = self.asked.setdefault(name, [])
        if key not in keys:
            keys.append(key)

    def table(self, name):
        path = pathlib.Path(self.dir.name) / name
        path.write_text("memcache = inet:{}:{}\nkey_format = {}=%s\n".format(
            *self.server.server_address, name))
        old = time.time() - 10
        os.utime(path, (old, old))
        return f"memcache:{path}"

    def take(self):
        asked, self.asked = self.asked, {}
        return asked

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.dir.cleanup()


def settings(recorder):
    """Of main.cf, for both."""
    return {
        "mydestination": "local.test",
        "myorigin": "local.test",
        "virtual_mailbox_domains": "virtual.test",
        "relay_domains": "relay.test",
        "virtual_alias_domains": "",
        "smtpd_reject_unlisted_recipient": "no",
        "smtpd_reject_unlisted_sender": "no",
        "default_transport": "error:elsewhere",
        "relay_transport": "error:relay",
        "notify_classes": "",
        **{name: recorder.table(name) for name in TABLES},
    }


def send(address, sender, rcpt):
    """Returns the queue ID."""
    with Wire(address, HOST) as wire:
        wire.expect(220)
        wire.command("EHLO c.test", 250)
        wire.command(f"MAIL FROM:<{sender}>", 250)
        wire.command(f"RCPT TO:<{rcpt}>", 250)
        wire.command("DATA", 354)
        reply = wire.command("Subject: x\r\n\r\nx\r\n.", 250)
        wire.command("QUIT", 221)
        return re.search(r"queued as (\w+)", str(reply))[1]


def ask(address, helo="c.test", sender="s@c.test", recipient="r@c.test"):
    """Whatever the reply is."""
    with Wire(address, HOST) as wire:
        wire.expect(220)
        for line in (f"EHLO {helo}", f"MAIL FROM:<{sender}>",
                     f"RCPT TO:<{recipient}>"):
            wire.send((line + "\r\n").encode())
            wire.reply()


def observe(recorder, configure, settle):
    """
    configure(settings) has a server run with these and returns its address;
    settle(id) waits until a mail is done with. Returns {title: {table: keys}}.
    """
    seen = {}
    groups = {}
    for title, (params, *rest) in {**MAIL, **LISTED, **ACCESS}.items():
        groups.setdefault(tuple(params.items()), []).append((title, rest))
    for params, rows in groups.items():
        for title, rest in rows:
            restriction = rest[0] if title in ACCESS else "permit_mynetworks"
            address = configure({
                **dict(params), "smtpd_recipient_restrictions":
                f"{restriction} {recorder.table('access')}, reject"
                if title in ACCESS else "permit_mynetworks, reject"})
            recorder.take()
            if title in LISTED:
                ask(address, sender="", recipient=rest[0])
                asked = recorder.take()
                seen[title] = {t: asked.get(t, []) for t in rest[1]}
            elif title in ACCESS:
                ask(address, **rest[1])
                asked = recorder.take()
                seen[title] = {"access": asked.get("access", [])}
            else:
                sender, rcpt, tables = rest
                settle(send(address, sender, rcpt))
                asked = recorder.take()
                seen[title] = {t: asked.get(t, []) for t in tables}
    return {title: {t: [k for k in keys if counts(title, k)]
                    for t, keys in tables.items()}
            for title, tables in seen.items()}


def read(path):
    seen = {}
    for line in path.read_text().splitlines():
        if line.startswith("== "):
            title = line[3:]
            seen[title] = {}
        elif line and not line.startswith("#"):
            table, _, keys = line.partition(":")
            seen[title][table] = keys.split()
    return seen


def write(path, seen, head):
    lines = [f"# {line}" for line in head]
    for title, tables in seen.items():
        lines += ["", f"== {title}"]
        for table, keys in tables.items():
            lines.append(f"{table}: {' '.join(keys)}".rstrip())
    path.write_text("\n".join(lines) + "\n")
