"""A name server for tests whose zones are signed (DNSSEC).

    server = SignedNameServer(addr, port, records, zones=["demo.test"])
    anchors.write_text(server.anchors())

Records are those of nameserver.NameServer. What lies in one of `zones` is signed
when it is asked for; of what is not there it is proved that it is not (RFC 4470:
each proof is about the one name that was asked for). A name of no such zone has no
signatures, so nobody can say whether it is true. A resolver of its own believes
the bit AD that goes with what is signed.
"""
import datetime

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec

from nameserver import RCODES, NameServer

TTL = 300
IN = dns.rdataclass.IN


def rrset(name, kind, wires):
    kind = dns.rdatatype.from_text(kind)
    return dns.rrset.from_rdata_list(name, TTL, [
        dns.rdata.from_wire(IN, kind, w, 0, len(w)) for w in wires])


class Zone:
    def __init__(self, apex):
        self.apex = dns.name.from_text(apex)
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.key = dns.dnssec.make_dnskey(
            self.private.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256,
            flags=257)

    def sign(self, what):
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        return dns.rrset.from_rdata(what.name, TTL, dns.dnssec.sign(
            what, self.private, self.apex, self.key, inception=now - day,
            expiration=now + 10 * day))

    def keys(self):
        return dns.rrset.from_rdata(self.apex, TTL, self.key)

    def absence(self, name, kinds):
        """SOA and NSEC: of this name there are these kinds only."""
        soa = dns.rrset.from_text(
            self.apex, TTL, IN, "SOA",
            f"ns.{self.apex} root.{self.apex} 1 3600 600 86400 {TTL}")
        after = dns.name.Name((b"\0",) + name.labels)
        proof = dns.rrset.from_text(
            name, TTL, IN, "NSEC",
            " ".join([after.to_text(), *sorted(kinds), "RRSIG", "NSEC"]))
        return [soa, proof]


class SignedNameServer(NameServer):
    def __init__(self, addr, port, records, zones):
        self.zones = [Zone(z) for z in zones]
        super().__init__(addr, port, records)

    def anchors(self):
        """Their keys, as dns_trust_anchor_file has them."""
        return "".join(f"{z.keys().to_text()}\n" for z in self.zones)

    def zone_of(self, name):
        return next((z for z in self.zones if name.is_subdomain(z.apex)), None)

    def answer(self, query):
        if self.silent:
            return None
        asked = dns.message.from_wire(query)
        question = asked.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        text = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((text, kind))
        reply = dns.message.make_response(asked, recursion_available=True)
        zone = self.zone_of(question.name)
        if zone and kind == "DNSKEY" and question.name == zone.apex:
            rcode, found = 0, [zone.keys()]
        else:
            rcode, rows = self.look_up(text, kind)
            found = self.rrsets(rows)
        ended_in = self.zone_of(found[-1].name) if found else zone
        reply.set_rcode(rcode)
        reply.answer += found
        if zone and not rcode & ~RCODES["NXDOMAIN"] and not found:
            reply.set_rcode(0)
            reply.authority += zone.absence(question.name, {
                k for n, k in (r for r in self.records if len(r) == 2)
                if n == text and k != kind})
        if zone and ended_in and rcode in (0, RCODES["NXDOMAIN"]):
            reply.flags |= dns.flags.AD
        if asked.ednsflags & dns.flags.DO:
            self.sign(reply.answer)
            self.sign(reply.authority)
        return reply.to_wire()

    def rrsets(self, rows):
        groups = {}
        for name, kind, wire in rows:
            groups.setdefault((name, kind), []).append(wire)
        return [rrset(dns.name.from_text(n), k, w)
                for (n, k), w in groups.items()]

    def sign(self, section):
        for what in list(section):
            zone = self.zone_of(what.name)
            if zone:
                section.append(zone.sign(what))
