"""``make fuzz``: every target for its share of the time, each in a process of its own.

    python -m fuzzing [--seconds 60] [--seed N] [--own] [TARGET ...]
    python -m fuzzing --replay FILE TARGET

Guided by coverage when atheris is installed, else by our own mutator. A finding is written to
``.fuzz/TARGET-...`` and ends the run with status 1; the seed repeats it, the file replays it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from random import SystemRandom

from fuzzing import engines

FINDINGS = Path(".fuzz")
_GRACE_S = 60  # for a target's imports and its last input


def main() -> int:
    args = _arguments()
    if args.replay is not None:
        return _replay(args.targets[0], args.replay)
    if args.child:
        return _child(args)
    engine = "atheris" if engines.has_atheris() and not args.own else "our own mutator"
    print(f"fuzzing for {args.seconds} s with seed {args.seed}, by {engine}", flush=True)
    names = args.targets or _names()
    failed = [name for name in names if not _run(name, args.seconds / len(names), args)]
    print(f"found something in: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz every parser.")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all (default 60)")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**31))
    parser.add_argument("--own", action="store_true", help="our own mutator, even with atheris")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="check this one input")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.targets) - set(_names())
    if unknown or (args.replay is not None and len(args.targets) != 1):
        parser.error(f"TARGET is one of {', '.join(_names())}")
    return args


def _names() -> list[str]:
    from fuzzing.catalog import TARGETS

    return list(TARGETS)


def _run(name: str, seconds: float, args: argparse.Namespace) -> bool:
    """Whether nothing was found."""
    argv = [sys.executable, "-m", "fuzzing", name, "--child", f"--seconds={seconds}", f"--seed={args.seed}"]
    began = time.monotonic()
    try:
        done = subprocess.run(
            argv + ["--own"] * args.own,
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE_S,
            check=False,
            env={**os.environ, "RUST_BACKTRACE": "0"},  # HPACK's panics are caught, and each would cost 10 ms
        )
        status, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        status, said = 1, f"no end after {late.timeout:.0f} s"
    runs = _number_after("number_of_executed_units:", said)
    print(
        f"  {name:16} {'ok' if status == 0 else 'FOUND'}  {runs} inputs, {time.monotonic() - began:.1f} s",
        flush=True,
    )
    if status:
        print("\n".join("    " + line for line in said.splitlines()[-25:]), flush=True)
    return status == 0


def _number_after(word: str, text: str) -> str:
    rest = text.rpartition(word)[2].split() if word in text else []
    return rest[0] if rest else "?"


def _child(args: argparse.Namespace) -> int:
    FINDINGS.mkdir(exist_ok=True)
    by_atheris = engines.has_atheris() and not args.own
    with engines.instrumented() if by_atheris else nullcontext():
        from fuzzing.catalog import TARGETS
    target = TARGETS[args.targets[0]]
    if by_atheris:
        engines.run_atheris(target, args.seed, args.seconds, FINDINGS)
    try:
        count = engines.run_own(target, args.seed, engines.for_seconds(args.seconds))
    except engines.Finding as finding:
        path = engines.keep(finding, target, FINDINGS)
        print(f"{type(finding.__cause__).__name__}: {finding.__cause__}\nreplay with {path}")
        return 1
    print(f"number_of_executed_units: {count}")
    return 0


def _replay(name: str, path: Path) -> int:
    from fuzzing.catalog import TARGETS

    TARGETS[name].check(path.read_bytes())
    print("holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
