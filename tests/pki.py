"""Certificates for tests: an issuer, and whom it vouches for.

    pki = PKI(path)                      # path/ca.pem, path/ca.key
    pem = pki.leaf("mx", "DNS:mx.demo.test", "IP:127.0.0.1")

A leaf is a file with its key, its certificate and its issuer's, in that order;
beside it lie mx.key and mx.crt. Keys are of 2048 bits of RSA, as most are.
"""
import hashlib
import subprocess

CA_SUBJECT = "/O=Demo/CN=Demo CA"


def openssl(*args, **more):
    return subprocess.run(["openssl", *map(str, args)], check=True,
                          capture_output=True, **more).stdout


def key_digest(cert):
    """SHA-256 of its public key: TLSA 3 1 1 and 2 1 1."""
    pem = openssl("x509", "-in", cert, "-noout", "-pubkey")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER",
                                  input=pem)).digest()


def der(cert):
    return openssl("x509", "-in", cert, "-outform", "DER")


def digest(cert, kind="sha256"):
    return hashlib.new(kind, der(cert)).digest()


def as_print(data):
    """AA:BB.., as people write a fingerprint."""
    return data.hex(":").upper()


class PKI:
    def __init__(self, path, subject=CA_SUBJECT):
        path.mkdir(exist_ok=True)
        self.path = path
        self.ca = path / "ca.pem"
        self.key = path / "ca.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 100,
                "-subj", subject, "-keyout", self.key, "-out", self.ca,
                "-addext", "basicConstraints=critical,CA:TRUE")

    def leaf(self, name, *names, subject=None, dates=(), usage=None):
        """`dates`: what `openssl ca` takes for -startdate and -enddate."""
        key, cert = self.path / f"{name}.key", self.path / f"{name}.crt"
        request, ext = self.path / f"{name}.csr", self.path / f"{name}.ext"
        ext.write_text("basicConstraints=CA:FALSE\n"
                       + (f"subjectAltName={','.join(names)}\n" if names else "")
                       + (f"extendedKeyUsage={usage}\n" if usage else ""))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj",
                subject or f"/CN={names[0].split(':')[1]}", "-keyout", key,
                "-out", request)
        if dates:
            self.sign_for(name, request, cert, ext, dates)
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
                    self.key, "-CAcreateserial", "-days", 90, "-extfile", ext,
                    "-out", cert)
        whole = self.path / f"{name}.pem"
        whole.write_bytes(key.read_bytes() + cert.read_bytes()
                          + self.ca.read_bytes())
        return whole

    def sign_for(self, name, request, cert, ext, dates):
        """x509 -req knows no dates; `openssl ca` does, and keeps books."""
        (self.path / "index.txt").write_text("")
        config = self.path / "ca.cnf"
        config.write_text(
            "[ca]\ndefault_ca=it\n[it]\n"
            f"database={self.path}/index.txt\nnew_certs_dir={self.path}\n"
            "default_md=sha256\npolicy=any\nrand_serial=yes\n"
            "[any]\ncommonName=optional\norganizationName=optional\n")
        openssl("ca", "-batch", "-config", config, "-cert", self.ca,
                "-keyfile", self.key, "-in", request, "-out", cert,
                "-extfile", ext, "-startdate", dates[0], "-enddate", dates[1],
                "-notext")
