"""tcp-echo: answers each line with a word of its own before it, as Istio's tcp-echo sample does.

    one\\n  ->  v1 one\\n

The word is SERVICE_VERSION. With GREETING it speaks first, as MySQL and SMTP do; what a client sends after
that is still answered.
"""

from __future__ import annotations

import asyncio
import os

from labs.apps.serving import Settings, until_stopped


async def answer(
    settings: Settings, greeting: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        if greeting:
            writer.write(f"{greeting}\n".encode())
        while line := await reader.readline():
            writer.write(settings.version.encode() + b" " + line)
            await writer.drain()
    except ConnectionError:
        pass  # it does not want the rest
    finally:
        writer.close()


async def main() -> None:
    settings = Settings.from_environment()
    greeting = os.environ.get("GREETING", "")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(settings, greeting, reader, writer)

    server = await asyncio.start_server(serve, settings.address, settings.port)
    async with server:
        await until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
