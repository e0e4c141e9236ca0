"""vault: ends TLS itself, with a certificate that it made at its start.

    GET /any/path  ->  200, "vault"

The certificate's common name is VAULT_NAME.
"""

from __future__ import annotations

import asyncio
import os
import ssl

from labs.apps.serving import Settings, until_stopped
from labs.harness.authority import Authority, load_identity

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nvault\n"


def server_context(name: str) -> ssl.SSLContext:
    certificate = Authority("vault's own root").issue(name, "vault.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_identity(context, certificate.key_pem + certificate.chain_pem)
    return context


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # it does not want the rest
    finally:
        writer.close()


async def main() -> None:
    settings = Settings.from_environment()
    context = server_context(os.environ.get("VAULT_NAME", "vault itself"))
    server = await asyncio.start_server(answer, settings.address, settings.port, ssl=context)
    async with server:
        await until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
