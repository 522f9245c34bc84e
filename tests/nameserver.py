"""A name server for tests: what a dictionary says, by UDP and TCP.

    NameServer(addr, port, {("b.test", "MX"): [(10, "mx.b.test")],
                            ("mx.b.test", "A"): ["127.0.0.9"],
                            "broken.test": "SERVFAIL"})

A name of which nothing is known does not exist; one that is known by another
type has no such record. The dictionary may change at any time.
"""
import ipaddress
import socket
import socketserver
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15,
         "TXT": 16, "AAAA": 28, "TLSA": 52}
RCODES = {"SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}


def encode_name(name):
    labels = [part.encode() for part in name.rstrip(".").split(".") if part]
    return b"".join(bytes([len(p)]) + p for p in labels) + b"\0"


def encode_rdata(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        return struct.pack(">H", value[0]) + encode_name(value[1])
    if kind == "TXT":
        return bytes([len(value)]) + value.encode()
    if kind in ("CNAME", "PTR", "NS"):
        return encode_name(value)
    return bytes(value)


class NameServer:
    def __init__(self, addr, port, records):
        self.records = records
        self.silent = False
        self.asked = []
        outer = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                answer = outer.answer(self.request[0])
                if answer:
                    self.request[1].sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                size = self.rfile.read(2)
                while len(size) == 2:
                    answer = outer.answer(
                        self.rfile.read(struct.unpack(">H", size)[0]))
                    if not answer:
                        return
                    self.wfile.write(struct.pack(">H", len(answer)) + answer)
                    size = self.rfile.read(2)

        class TCP(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.servers = [socketserver.UDPServer((addr, port), Datagram),
                        TCP((addr, port), Stream)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,),
                             daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def look_up(self, name, kind):
        """(code of the answer, [(name, type, rdata)])."""
        found = []
        for _ in range(8):
            failure = self.records.get(name)
            if failure:
                return RCODES[failure], found
            if (name, "CNAME") not in self.records or kind == "CNAME":
                break
            target = self.records[name, "CNAME"][0]
            found.append((name, "CNAME", encode_rdata("CNAME", target)))
            name = target
        values = self.records.get((name, kind), [])
        found += [(name, kind, encode_rdata(kind, v)) for v in values]
        known = any(key[0] == name or key[0].endswith("." + name)
                    for key in self.records if isinstance(key, tuple))
        return (0 if found or known else RCODES["NXDOMAIN"]), found

    def answer(self, query):
        if self.silent or len(query) < 17:
            return None
        number, flags, asked = struct.unpack(">HHH", query[:6])
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        name = ".".join(labels).lower()
        code = struct.unpack(">H", query[at + 1:at + 3])[0]
        kind = next((k for k, v in TYPES.items() if v == code), "?")
        self.asked.append((name, kind))
        rcode, found = self.look_up(name, kind)
        head = struct.pack(">HHHHHH", number, 0x8480 | (flags & 0x100) | rcode,
                           asked, len(found), 0, 0)
        body = query[12:at + 5]
        for owner, what, rdata in found:
            body += encode_name(owner) + struct.pack(
                ">HHIH", TYPES[what], 1, 1, len(rdata)) + rdata
        return head + body


def free_port(addr):
    with socket.socket() as s:
        s.bind((addr, 0))
        return s.getsockname()[1]
