"""The Kubernetes Secret, version v1, as far as it holds what TLS needs. What it holds is never shown.

Kubernetes calls the parts ``tls.crt``, ``tls.key`` and ``ca.crt``, Istio ``cert``, ``key`` and ``cacert``; of
both words for one thing Istio's is taken (Istio's ``pilot/pkg/credentials/kube/secrets.go``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mesh.galley.api.base import ApiObject
from mesh.model.tls import TlsCertificate

TLS_TYPE = "kubernetes.io/tls"
CERTIFICATE_WORDS = ("cert", "tls.crt")
KEY_WORDS = ("key", "tls.key")
ROOTS_WORDS = ("cacert", "ca.crt")


def _hidden(value: object) -> str:
    """An error must not show the value."""
    if not isinstance(value, str):
        raise ValueError("expected text")
    return value


HiddenText = Annotated[str, BeforeValidator(_hidden)]


class Secret(ApiObject):
    """``data`` is in base64, ``stringData`` as it is; the latter wins."""

    kind: Literal["Secret"]
    type: str = "Opaque"
    data: Mapping[str, HiddenText] = Field(default_factory=dict, repr=False)
    string_data: Mapping[str, HiddenText] = Field(default_factory=dict, repr=False)
    immutable: bool | None = None

    @property
    def content(self) -> tuple[object, ...]:
        return self.metadata, self.type, self.data, self.string_data

    def told(self) -> dict[str, object]:
        """What kind of Secret it is and what it holds, by name; what stands there is nobody's business."""
        return {"type": self.type, "keys": sorted({*self.data, *self.string_data})}

    def part(self, words: tuple[str, ...]) -> bytes | None:
        """What stands under the first of these words that is there. Raises ValueError: it is no base64."""
        for word in words:
            if word in self.string_data:
                return self.string_data[word].encode()
            if word in self.data:
                return decoded(self.data[word])
        return None

    @property
    def certificate(self) -> TlsCertificate | None:
        """The certificate with its key; None: it has not both."""
        chain, key = self.part(CERTIFICATE_WORDS), self.part(KEY_WORDS)
        return TlsCertificate(chain, key) if chain is not None and key is not None else None

    @property
    def roots_pem(self) -> bytes | None:
        return self.part(ROOTS_WORDS)


def decoded(text: str) -> bytes:
    """Raises ValueError, without the text, when it is no base64; line breaks are no part of it."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("expected base64") from None
