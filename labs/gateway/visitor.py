"""A client outside the mesh: makes visits, and says what it saw, one JSON line each.

    VISITS='[{"name": "shop", "address": "10.0.0.2", "port": 8443, "host": "shop.example", ...}]'
    python -m labs.gateway.visitor

Certificates are verified where ``roots`` are given; without them anybody may answer, and who did is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from labs.harness.authority import load_identity
from labs.harness.run import Run
from mesh.model.tls import TlsCertificate

TIMEOUT_S = 10.0  # of one request
VARIABLE = "VISITS"


@dataclass(frozen=True, slots=True)
class Visit:
    """``times`` requests on one connection, ``every_s`` seconds apart. PEM texts; "" = none."""

    name: str
    address: str
    port: int
    host: str
    path: str = "/shop"
    tls: bool = True
    roots: str = ""
    certificate: str = ""  # with its key
    times: int = 1
    every_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, or why there was none. ``shown``: the common name of who answered TLS."""

    name: str
    status: int = 0
    shown: str = ""
    location: str = ""
    body: str = ""
    refused: str = field(default="", compare=False)


def identity_pem(certificate: TlsCertificate) -> str:
    return (certificate.key_pem + certificate.chain_pem).decode()


def _context(visit: Visit) -> ssl.SSLContext | None:
    if not visit.tls:
        return None
    context = ssl.create_default_context(cadata=visit.roots or None)
    if not visit.roots:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if visit.certificate:
        load_identity(context, visit.certificate.encode())
    return context


def _common_name(der: bytes | None) -> str:
    if not der:
        return ""
    names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


async def pay(visit: Visit) -> list[Seen]:
    """Make the visit, and print each answer as it comes."""
    context, answers = _context(visit), []
    try:
        async with asyncio.timeout(TIMEOUT_S + visit.times * visit.every_s):
            reader, writer = await asyncio.open_connection(
                visit.address, visit.port, ssl=context, server_hostname=visit.host if context else None
            )
            secured = writer.get_extra_info("ssl_object")
            shown = _common_name(secured.getpeercert(True)) if secured is not None else ""
            for number in range(visit.times):
                if number:
                    await asyncio.sleep(visit.every_s)
                answers.append(_tell(await _ask(visit, shown, reader, writer)))
            writer.close()
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError) as error:
        answers.append(_tell(Seen(visit.name, refused=repr(error))))
    return answers


async def _ask(visit: Visit, shown: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Seen:
    writer.write(f"GET {visit.path} HTTP/1.1\r\nhost: {visit.host}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if fields.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    status = int(head[0].split()[1])
    return Seen(visit.name, status, shown, fields.get("location", ""), body.decode("latin-1"))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


def _tell(seen: Seen) -> Seen:
    print(json.dumps(asdict(seen)), flush=True)
    return seen


async def visit(run: Run, visits: Sequence[Visit]) -> dict[str, Seen]:
    """Send a visitor; what it saw last of each visit, by name."""
    process = await run.runtime.outside(["python", "-m", "labs.gateway.visitor"], environment(visits))
    seen = [read(line) async for line in process.lines()]
    await process.wait()
    return {one.name: one for one in seen}


def environment(visits: Iterable[Visit]) -> dict[str, str]:
    return {VARIABLE: json.dumps([asdict(one) for one in visits])}


def read(line: str) -> Seen:
    return Seen(**json.loads(line))


async def main() -> None:
    wanted: list[dict[str, Any]] = json.loads(os.environ[VARIABLE])
    for one in wanted:
        await pay(Visit(**one))


if __name__ == "__main__":
    asyncio.run(main())
