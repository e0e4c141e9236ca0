import hashlib
import ssl
from urllib.parse import quote

from mesh.proxy.peer_certificate import NO_CERTIFICATE, PeerCertificate, peer_certificate, read_certificate

ID = "spiffe://cluster.local/ns/default/sa/a"


class Connection:
    """What an SSLObject says of its peer."""

    def __init__(self, certificate, encoded, verify_mode=ssl.CERT_REQUIRED):
        self.certificate, self.encoded, self.read = certificate, encoded, 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = verify_mode

    def getpeercert(self, binary_form=False):
        self.read += not binary_form
        return self.encoded if binary_form else self.certificate


def names(*names):
    return PeerCertificate(names=names)


def test_only_uri_names_are_identities():
    assert names(("DNS", ID), ("URI", ID)).principal == ID
    assert names(("DNS", "x")).principal == ""
    assert NO_CERTIFICATE.principal == ""


def test_one_of_the_names_must_be_allowed():
    peer = names(("URI", ID), ("IP Address", "10.0.0.1"), ("email", "a@b"))
    assert peer.matches(())
    assert peer.matches({ID, "x"})
    assert peer.matches({"10.0.0.1"})
    assert not peer.matches({ID + "x"})
    assert not peer.matches({"a@b"})
    assert not NO_CERTIFICATE.matches({ID})


def test_a_dns_name_may_be_a_wildcard_of_one_label():
    peer = names(("DNS", "*.Example.org"))
    assert peer.matches({"a.example.ORG"})
    assert not peer.matches({"a.b.example.org"})
    assert not peer.matches({"example.org"})


def test_the_element_is_envoys():
    subject = ((("organizationName", 'a "b"'),), (("commonName", "c"),))
    peer = read_certificate(b"der", {"subjectAltName": (("URI", ID), ("DNS", "a.b")), "subject": subject})
    digest = hashlib.sha256(b"der").hexdigest()
    told = f'Subject="CN=c,O=a \\"b\\"";URI={ID};DNS=a.b'
    assert peer.element("spiffe://me").decode() == f"By=spiffe://me;Hash={digest};{told}"
    pem = quote(ssl.DER_cert_to_PEM_cert(b"der"), safe="")
    assert peer.element("", with_pem=True).decode() == f'Hash={digest};Cert="{pem}";{told}'
    assert NO_CERTIFICATE.element("x") == b""


def test_who_comes_again_is_not_read_again():
    first, second = (Connection({"subjectAltName": (("URI", ID),)}, b"a der") for _ in range(2))
    assert peer_certificate(first) is peer_certificate(second)
    assert (first.read, second.read) == (1, 0)


def test_the_element_of_who_comes_again_is_made_once():
    peer = PeerCertificate(b"der", (("URI", ID),))
    assert peer.element("spiffe://me") is peer.element("spiffe://me")
    assert peer.element("spiffe://me") != peer.element("spiffe://other")
    assert peer.element("spiffe://me", with_pem=True) != peer.element("spiffe://me")


def test_who_was_not_verified_has_no_name_though_it_is_known():
    """Its certificate may be anybody's, and was good on another connection."""
    verified = Connection({"subjectAltName": (("URI", ID),)}, b"another der")
    assert peer_certificate(verified).principal == ID
    assert peer_certificate(Connection({}, b"another der", ssl.CERT_NONE)) is NO_CERTIFICATE


def test_many_peers_take_no_more_room_than_some():
    for number in range(1000):
        peer_certificate(Connection({}, b"der %d" % number))
    from mesh.proxy import peer_certificate as module

    assert len(module._known) <= module._KNOWN_MAX
