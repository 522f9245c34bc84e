"""What tests of IMAP and POP3 share."""
import contextlib
import imaplib
import poplib
import ssl

from suite import PATIENCE

PASSWORD = "open 5 sesame"


def trusting():
    """A context of TLS that takes any certificate."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def suite_with_mailboxes(make_suite, **params):
    """Alice and bob can log in and have mailboxes; not yet started."""
    suite = make_suite(**params).with_tls()
    suite.with_auth(alice=PASSWORD, bob=PASSWORD)
    return suite.with_mailboxes()


def address(suite, user):
    return f"{user}@{suite.domain}"


def imap(suite, user="alice", password=PASSWORD):
    """A session of imaplib over TLS; logged in, unless there is no user."""
    session = imaplib.IMAP4_SSL(suite.addr, suite.port("imaps"),
                                ssl_context=trusting(), timeout=PATIENCE)
    if user:
        session.login(address(suite, user), password)
    return session


def pop3(suite, user="alice", password=PASSWORD):
    """The same with poplib."""
    session = poplib.POP3_SSL(suite.addr, suite.port("pop3s"),
                              context=trusting(), timeout=PATIENCE)
    if user:
        session.user(address(suite, user))
        session.pass_(password)
    return session


@contextlib.contextmanager
def selected(suite, user="alice", mailbox="INBOX", readonly=False):
    """A session of imaplib that has a mailbox selected."""
    session = imap(suite, user)
    try:
        code, answer = session.select(mailbox, readonly)
        assert code == "OK", answer
        yield session
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            session.logout()


def ok(answer):
    """The data of an answer of imaplib that has to be OK."""
    code, data = answer
    assert code == "OK", data
    return data


def flags(session, number):
    line = ok(session.fetch(str(number), "(FLAGS)"))[0]
    return {f.decode() for f in imaplib.ParseFlags(line)}
