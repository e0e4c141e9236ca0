"""Sessions and cipher suites, on two ends in memory."""

import ssl
import threading

import pytest

from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.proxy import openssl
from mesh.proxy.openssl import made_last, session_of
from mesh.proxy.tls_contexts import TlsContexts


@pytest.fixture(params=["shared", "copied"])
def either(request, monkeypatch):
    """Both with and without OpenSSL's own functions."""
    if request.param == "copied":
        monkeypatch.setattr(openssl, "_LIBRARY", None)
    return request.param


class Ends:
    """The two contexts of a workload that talks to itself."""

    def __init__(self, secrets):
        self.contexts = TlsContexts()
        self.contexts.update(secrets)
        self.client = self.contexts.client(UpstreamTls("x", ("istio",)))
        self.server = self.contexts.server(DownstreamTls(("istio",)))

    def make(self):
        """A client's connection, with OpenSSL's name for it and what it reads from and writes to."""
        bios = ssl.MemoryBIO(), ssl.MemoryBIO()
        return self.client.wrap_bio(*bios, server_hostname="x"), made_last(), bios

    def shake_hands(self, connection, client_bios):
        """All of it, and the server's ticket; then both say goodbye."""
        server_bios = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = self.server.wrap_bio(*server_bios, server_side=True)
        for each in (connection, server, connection, server):
            source, own = (server_bios, client_bios) if each is connection else (client_bios, server_bios)
            own[0].write(source[1].read())
            try:
                each.do_handshake()
            except ssl.SSLWantReadError:
                pass
        server.write(b"a word")
        client_bios[0].write(server_bios[1].read())
        assert connection.read() == b"a word"
        for each in (connection, server):
            with pytest.raises(ssl.SSLError):
                each.unwrap()

    def connect(self, session=None):
        """-> the connection, and what can be resumed of it."""
        connection, made, bios = self.make()
        if session is not None:
            session.offer(connection)
        self.shake_hands(connection, bios)
        return connection, session_of(connection, made)


@pytest.fixture
def ends(secrets_of):
    return Ends(secrets_of("reviews"))


def test_a_session_is_resumed_by_many(either, ends):
    first, session = ends.connect()
    assert not first.session_reused
    for _ in range(3):
        connection, _ = ends.connect(session)
        assert connection.session_reused
        assert connection.getpeercert(True) == first.getpeercert(True)


def test_what_has_no_ticket_yet_cannot_be_resumed(either, ends):
    connection, made, _ = ends.make()
    assert session_of(connection, made) is None


def test_a_session_is_shared_and_not_copied(ends, allocated_bytes):
    """A copy has some 10 kB, most of them a certificate."""
    _, session = ends.connect()

    def room(offer):
        before, kept = allocated_bytes(), []
        for _ in range(100):
            kept.append(ends.make())
            offer(kept[-1][0])
        return allocated_bytes() - before

    assert room(session.offer) < room(lambda connection: None) + 100 * 1000


def test_sessions_are_freed(ends, allocated_bytes):
    ends.server.options &= ~ssl.OP_NO_TICKET  # the server remembers none

    def connect():
        for _ in range(50):
            ends.connect()

    connect()
    before = allocated_bytes()
    connect()
    assert allocated_bytes() - before < 50 * 1000


def test_each_thread_knows_its_own_connection(ends):
    here = ends.make()
    there = []
    thread = threading.Thread(target=lambda: there.append(ends.make()))
    thread.start()
    thread.join()
    assert made_last() == here[1] != there[0][1]


@pytest.mark.parametrize("side", ["client", "server"])
def test_the_cheaper_of_the_suites_for_aes_comes_first_as_in_envoy(ends, side):
    connection, _ = ends.connect()
    assert connection.cipher()[0] == "TLS_AES_128_GCM_SHA256"
    names = [cipher["name"] for cipher in getattr(ends, side).get_ciphers()]
    assert names[:3] == ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]


def test_without_the_library_the_suites_stay_as_they_are(monkeypatch, secrets_of):
    monkeypatch.setattr(openssl, "_LIBRARY", None)
    connection, _ = Ends(secrets_of("reviews")).connect()
    assert connection.cipher()[0] == "TLS_AES_256_GCM_SHA384"


def test_a_module_that_is_part_of_the_interpreter_has_no_library(monkeypatch):
    monkeypatch.delattr(openssl._ssl, "__file__")
    assert openssl._load() is None
