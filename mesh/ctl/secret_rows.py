"""``proxy-config secret``: what certificates a sidecar holds, and until when. Pure."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from cryptography import x509

from mesh.ctl.config_dump import Json, Row, part

SECRET_HEADINGS = (
    "RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE",
)  # fmt: skip


def secrets(dump: Json) -> list[Json]:
    """The active secrets; a key in them is redacted by the sidecar."""
    found = part(dump, "SecretsConfigDump")
    return [*found.get("dynamic_active_secrets", ()), *found.get("static_secrets", ())]


def secret_rows(dump: Json, now: datetime) -> list[Row]:
    rows = [_row(str(one.get("name", "")), one.get("secret", {}), "ACTIVE", now) for one in secrets(dump)]
    for one in part(dump, "SecretsConfigDump").get("dynamic_warming_secrets", ()):
        rows.append((str(one.get("name", "")), "", "WARMING", "false", "", "", ""))
    return rows


def _row(name: str, secret: dict[str, Any], status: str, now: datetime) -> Row:
    chain = secret.get("tls_certificate", {}).get("certificate_chain", {})
    roots = secret.get("validation_context", {}).get("trusted_ca", {})
    kind, data = ("Cert Chain", chain) if chain else ("CA", roots)
    try:
        leaf = x509.load_pem_x509_certificates(base64.b64decode(data.get("inline_bytes", "")))[0]
    except ValueError:
        return name, kind, status, "false", "", "", ""
    valid = leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc
    return (
        name,
        kind,
        status,
        str(valid).lower(),
        f"{leaf.serial_number:x}",
        f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        f"{leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
    )
