from __future__ import annotations

import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from mesh.model.tls import Secrets, TlsCertificate
from mesh.xds.codec.secret import decode_secret, decode_secrets, encode_secret, encode_secrets
from mesh.xds.errors import Rejected

SECRETS = Secrets(TlsCertificate(b"chain", b"key"), b"roots")


def test_secrets_come_back_as_they_went() -> None:
    assert decode_secrets(encode_secrets(SECRETS)) == SECRETS


def test_they_have_istios_names() -> None:
    assert {name: message.name for name, message in encode_secrets(SECRETS).items()} == {
        "default": "default",
        "ROOTCA": "ROOTCA",
    }


@pytest.mark.parametrize("missing", ["default", "ROOTCA"])
def test_a_missing_one_is_named(missing: str) -> None:
    messages = {name: message for name, message in encode_secrets(SECRETS).items() if name != missing}
    with pytest.raises(Rejected, match=f"secret {missing}: "):
        decode_secrets(messages)


def test_a_secret_of_the_wrong_kind_is_named() -> None:
    messages = {**encode_secrets(SECRETS), "default": encode_secret("default", b"roots")}
    with pytest.raises(Rejected, match="secret default: tls_certificate"):
        decode_secrets(messages)


def test_another_kind_of_secret_is_refused_by_name() -> None:
    with pytest.raises(Rejected, match="secret ticket: session_ticket_keys: not supported"):
        decode_secret(secret_pb2.Secret(name="ticket", session_ticket_keys={}))
