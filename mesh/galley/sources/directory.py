"""Watched directories of YAML files.

    inotify (watchfiles) or the clock -> look (names, stat) -> settled? -> read what changed -> callback

Whatever happened to a file (written in place, renamed over, linked elsewhere as Kubernetes' ConfigMaps
do, taken away), the answer is the same: look at everything again and compare. inotify only says when to
look; a look every ``poll_s`` finds what inotify does not see (network and Docker Desktop mounts, a root
that is itself a link, or that comes later).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from watchfiles import awatch

from mesh.galley.fault import Fault
from mesh.galley.parse import Parsed, parse
from mesh.galley.store import SourceId

logger = logging.getLogger("mesh.galley")

SUFFIXES = (".yaml", ".yml", ".json")
POLL_S = 1.0
SETTLE_S = 0.02  # a file that stays as it is for this long is taken to be written
SETTLE_ROUNDS = 50  # at most one second of waiting for a writer that never rests

Signature = tuple[int, int, int, int]  # inode, size, mtime and ctime in ns
Outcome = Parsed | Fault | None  # read; unreadable; gone
OnChange = Callable[[dict[SourceId, Outcome]], None]


@dataclass(frozen=True, slots=True)
class Look:
    """All files at one moment. A root that cannot be listed is in ``faults``, its files are unknown."""

    files: Mapping[SourceId, Signature]
    faults: Mapping[int, Fault]


class Directories:
    """``changes()`` compares with the last time; ``watch`` calls back each time there is something."""

    def __init__(self, roots: Sequence[Path], poll_s: float = POLL_S) -> None:
        self._roots = tuple(roots)
        self._poll_s = poll_s
        self._signatures: dict[SourceId, Signature] = {}
        self._digests: dict[SourceId, bytes] = {}
        self._root_faults: Mapping[int, Fault] = {}

    @property
    def root_faults(self) -> tuple[Fault, ...]:
        """Roots that cannot be listed now; the last good objects of their files stay."""
        return tuple(self._root_faults.values())

    def look(self) -> Look:
        files: dict[SourceId, Signature] = {}
        faults: dict[int, Fault] = {}
        for rank, root in enumerate(self._roots):
            try:
                for path, signature in list_files(root).items():
                    files[SourceId(rank, str(path))] = signature
            except OSError as error:
                reason = error.strerror or str(error)
                faults[rank] = Fault(str(root), 1, "", "", f"the directory cannot be listed: {reason}")
        return Look(files, faults)

    def changes(self, look: Look, *, reread: bool) -> dict[SourceId, Outcome]:
        """What to do about each file that is not as it was; ``reread`` distrusts equal stats."""
        outcomes: dict[SourceId, Outcome] = {}
        for source, signature in look.files.items():
            if reread or self._signatures.get(source) != signature:
                self._signatures[source] = signature
                self._read(source, outcomes)
        for source in [s for s in self._signatures if s not in look.files and s.rank not in look.faults]:
            del self._signatures[source]
            self._digests.pop(source, None)
            outcomes[source] = None
        for rank in look.faults.keys() - self._root_faults.keys():
            logger.warning("%s", look.faults[rank])
        self._root_faults = look.faults
        return outcomes

    def is_news(self, look: Look) -> bool:
        known = {s: v for s, v in self._signatures.items() if s.rank not in look.faults}
        return known != look.files or look.faults.keys() != self._root_faults.keys()

    def _read(self, source: SourceId, outcomes: dict[SourceId, Outcome]) -> None:
        try:
            content = Path(source.name).read_bytes()
        except FileNotFoundError:
            return  # gone since the look: the next look says so
        except OSError as error:
            self._digests.pop(source, None)
            outcomes[source] = Fault(source.name, 1, "", "", f"cannot be read: {error.strerror or error}")
            return
        digest = hashlib.sha256(content).digest()
        if self._digests.get(source) != digest:
            self._digests[source] = digest
            outcomes[source] = parse_bytes(content, source.name)

    async def watch(self, on_change: OnChange) -> None:
        """Run until cancelled. ``on_change`` is called in the event loop, reading is done beside it."""
        while True:
            roots = self._identities()
            try:
                await self._watch(roots, on_change)
            except (OSError, RuntimeError) as error:  # no inotify (its limits, its filesystem): poll
                logger.warning(
                    "cannot watch %s, looking each %gs: %s", _names(self._roots), self._poll_s, error
                )
                await asyncio.sleep(self._poll_s)
                await self._refresh(on_change, touched=False)

    async def _watch(self, roots: tuple[object, ...], on_change: OnChange) -> None:
        """Watch until the roots are no longer the directories they were."""
        there = [root for root, identity in zip(self._roots, roots, strict=True) if identity is not None]
        if not there:
            await asyncio.sleep(self._poll_s)
            await self._refresh(on_change, touched=False)
            return
        timeout_ms = max(1, round(self._poll_s * 1000))
        watching = awatch(*there, watch_filter=None, rust_timeout=timeout_ms, yield_on_timeout=True)
        async with aclosing(watching) as events:
            async for event in events:
                await self._refresh(on_change, touched=bool(event))
                if self._identities() != roots:
                    break
        await self._refresh(on_change, touched=True)

    async def _refresh(self, on_change: OnChange, *, touched: bool) -> None:
        look = await asyncio.to_thread(self.look)
        if not touched and not self.is_news(look):
            return
        look = await self._settled(look)
        faults = self._root_faults
        outcomes = await asyncio.to_thread(self.changes, look, reread=touched)
        if outcomes or faults.keys() != look.faults.keys():
            on_change(outcomes)

    async def _settled(self, look: Look) -> Look:
        """Do not read what is being written: wait until two looks agree."""
        for _ in range(SETTLE_ROUNDS):
            await asyncio.sleep(SETTLE_S)
            again = await asyncio.to_thread(self.look)
            if again == look:
                break
            look = again
        return look

    def _identities(self) -> tuple[object, ...]:
        """Which directory each root is now; None: none."""
        return tuple(_identity(root) for root in self._roots)


def _names(roots: Sequence[Path]) -> str:
    return ", ".join(map(str, roots))


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        found = root.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def list_files(root: Path) -> dict[Path, Signature]:
    """The YAML files under ``root``. Hidden names (a ConfigMap's ``..data``, an editor's) are not entered.

    Raises OSError when ``root`` itself cannot be listed; what vanishes meanwhile is left out.
    """
    found: dict[Path, Signature] = {}
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                status = entry.stat()
                if stat.S_ISDIR(status.st_mode) and not entry.is_symlink():
                    found.update(list_files(Path(entry.path)))
                elif stat.S_ISREG(status.st_mode) and entry.name.endswith(SUFFIXES):
                    signature = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                    found[Path(entry.path)] = signature
            except OSError:
                continue
    return found


def parse_bytes(content: bytes, file: str) -> Parsed | Fault:
    try:
        return parse(content.decode("utf-8"), file)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Fault(file, line, "", "", f"expected UTF-8 text, got the byte 0x{content[error.start]:02x}")
