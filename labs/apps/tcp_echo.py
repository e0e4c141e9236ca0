"""tcp-echo: answers each line with a word of its own before it, as Istio's tcp-echo sample does.

    one\\n  ->  v1 one\\n

The word is SERVICE_VERSION. With GREETING it speaks first, as MySQL and SMTP do; what a client sends after
that is still answered.
"""

from __future__ import annotations

import asyncio
import os
import signal

from labs.apps.serving import Settings


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
    settings, stop = Settings.from_environment(), asyncio.Event()
    greeting = os.environ.get("GREETING", "")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(settings, greeting, reader, writer)

    server = await asyncio.start_server(serve, settings.address, settings.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
