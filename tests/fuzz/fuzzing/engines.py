"""Runs of a target, by our own mutator or by atheris; a finding is kept as a file and named."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from fuzzing.mutate import mutated
from fuzzing.target import Target

_KEPT = 400  # inputs of a run that become material for further ones


class Finding(Exception):
    """``data`` makes the target raise what this was raised from."""

    def __init__(self, target: Target, data: bytes) -> None:
        super().__init__(f"{target.name}: {data!r}")
        self.data = data


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def instrumented() -> AbstractContextManager[object]:
    """Within it, the product's modules that are imported will tell atheris their branches."""
    import atheris

    return atheris.instrument_imports(include=["mesh"], enable_loader_override=False)  # type: ignore[no-any-return]


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """The corpus, then mutations without end; the same ones for the same seed."""
    yield from target.corpus
    rng, pool = Random(f"{target.name}/{seed}"), list(target.corpus)
    while True:
        data = mutated(target, pool, rng)
        if len(pool) < len(target.corpus) + _KEPT:
            pool.append(data)
        elif rng.random() < 0.05:
            pool[rng.randrange(len(target.corpus), len(pool))] = data
        yield data


def run_own(target: Target, seed: int, goes_on: Callable[[int], bool]) -> int:
    """Check inputs while ``goes_on(how many so far)``; how many there were. Raises Finding."""
    count = 0
    for data in inputs(target, seed):
        if not goes_on(count):
            break
        count += 1
        try:
            target.check(data)
        except Exception as broken:
            raise Finding(target, data) from broken
    return count


def for_seconds(seconds: float) -> Callable[[int], bool]:
    end = time.monotonic() + seconds
    return lambda count: time.monotonic() < end


def run_atheris(target: Target, seed: int, seconds: float, findings: Path) -> None:
    """Never returns: libFuzzer ends the process, with status 0 when nothing was found."""
    import atheris

    with TemporaryDirectory() as place:
        corpus = Path(place)
        for number, data in enumerate(target.corpus):
            (corpus / str(number)).write_bytes(data)
        words = corpus.parent / f"{corpus.name}.dict"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options = [
            f"-seed={seed % (2**31) or 1}",
            f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={target.max_bytes}",
            f"-artifact_prefix={findings}/{target.name}-",
            *([f"-dict={words}"] if target.words else []),
            "-rss_limit_mb=1024",
            "-timeout=20",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup(["fuzz", *options, place], target.check)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def keep(finding: Finding, target: Target, findings: Path) -> Path:
    """Write the input down, for ``--replay``."""
    findings.mkdir(parents=True, exist_ok=True)
    path = findings / f"{target.name}-{hashlib.sha1(finding.data, usedforsecurity=False).hexdigest()[:12]}"
    path.write_bytes(finding.data)
    return path
