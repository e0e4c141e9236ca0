import os
import ssl

import pytest

from mesh.model.tls import DownstreamTls, Secrets, TlsCertificate, UpstreamTls
from mesh.proxy.tls_contexts import NoCertificate, TlsContexts

SERVER, CLIENT = DownstreamTls(("istio",)), UpstreamTls("name", ("istio",))


def test_without_a_certificate_there_is_no_tls():
    with pytest.raises(NoCertificate):
        TlsContexts().server(SERVER)


def test_contexts_are_kept_until_the_secrets_change(secrets_of):
    contexts = TlsContexts()
    contexts.update(secrets_of("a"))
    server, client = contexts.server(SERVER), contexts.client(CLIENT)
    assert contexts.server(SERVER) is server
    assert contexts.client(CLIENT) is client
    assert server.verify_mode == client.verify_mode == ssl.CERT_REQUIRED
    contexts.update(secrets_of("a"))
    assert contexts.server(SERVER) is not server


def test_bad_secrets_leave_the_good_ones(secrets_of):
    contexts = TlsContexts()
    good = secrets_of("a")
    contexts.update(good)
    other = secrets_of("b")
    mixed = Secrets(TlsCertificate(good.certificate.chain_pem, other.certificate.key_pem), good.roots_pem)
    with pytest.raises(ssl.SSLError):
        contexts.update(mixed)
    assert contexts.secrets is good


def test_no_key_is_left_in_a_file_or_descriptor(secrets_of):
    contexts = TlsContexts()
    secrets = secrets_of("a")
    before = set(os.listdir("/proc/self/fd"))
    contexts.update(secrets)
    contexts.server(SERVER)
    assert set(os.listdir("/proc/self/fd")) == before


def test_clients_may_be_welcome_without_a_certificate(secrets_of):
    contexts = TlsContexts()
    contexts.update(secrets_of("a"))
    optional = DownstreamTls(("istio",), require_client_certificate=False)
    assert contexts.server(optional).verify_mode == ssl.CERT_OPTIONAL


def test_who_verifies_nobody_asks_nobody(secrets_of):
    contexts = TlsContexts()
    contexts.update(secrets_of("a"))
    assert contexts.server(DownstreamTls((), False, validation="")).verify_mode == ssl.CERT_NONE


def test_versions_and_cipher_suites_are_those_asked_for(secrets_of):
    contexts = TlsContexts()
    contexts.update(secrets_of("a"))
    suite = "ECDHE-ECDSA-AES128-GCM-SHA256"
    made = contexts.server(DownstreamTls((), max_version="TLSv1_2", cipher_suites=(suite,)))
    assert made.minimum_version == made.maximum_version == ssl.TLSVersion.TLSv1_2
    assert [one["name"] for one in made.get_ciphers() if not one["name"].startswith("TLS_")] == [suite]
