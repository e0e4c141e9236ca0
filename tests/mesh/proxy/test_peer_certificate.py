import hashlib

from mesh.proxy.peer_certificate import client_cert_element, peer_matches, principal, uri_names

ID = "spiffe://cluster.local/ns/default/sa/a"


class Connection:
    """What an SSLObject says of its peer."""

    def __init__(self, certificate, encoded=b"der"):
        self.certificate, self.encoded = certificate, encoded

    def getpeercert(self, binary_form=False):
        return self.encoded if binary_form else self.certificate


def certificate(*names, subject=()):
    return {"subjectAltName": names, "subject": subject}


def test_only_uri_names_are_identities():
    assert uri_names(certificate(("DNS", ID), ("URI", ID))) == [ID]
    assert uri_names(None) == []
    assert principal(Connection(certificate(("DNS", "x")))) == ""
    assert principal(Connection(certificate(("URI", ID)))) == ID


def test_one_of_the_names_must_be_allowed():
    peer = Connection(certificate(("URI", ID)))
    assert peer_matches(peer, ())
    assert peer_matches(peer, {ID, "x"})
    assert not peer_matches(peer, {ID + "x"})
    assert not peer_matches(Connection(certificate()), {ID})


def test_the_element_is_envoys():
    subject = ((("organizationName", 'a "b"'),), (("commonName", "c"),))
    element = client_cert_element(Connection(certificate(("URI", ID), subject=subject)), "spiffe://me")
    digest = hashlib.sha256(b"der").hexdigest()
    assert element.decode() == f'By=spiffe://me;Hash={digest};Subject="CN=c,O=a \\"b\\"";URI={ID}'
    assert client_cert_element(Connection({}, b""), "x") == b""
