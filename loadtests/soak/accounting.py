"""What was owed and what was done: answers, access logs and the origins' journals, held together. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from labs.harness.verdict import Verdict, failed, inconclusive, passed
from loadtests.soak.load import Answer
from loadtests.soak.watch import Watched

MAX_GROWTH_BYTES = (
    12 * 2**20
)  # from the second quarter's median to the last's; a leak of 1 kB a request is more
SPARE_DESCRIPTORS = 8  # beyond those of before, and a connection for each client and endpoint
_MIN_REQUESTS = 200
_LINE = re.compile(r'"(?:GET|POST) /(\d+) HTTP/1\.1" (\d+) (\S+) ')
_CRIES = ("Traceback (most recent call last)", "never retrieved", "Task was destroyed", "Unhandled")


def answered_once(answers: Sequence[Answer]) -> Verdict:
    check = "each request has one answer, its own"
    if len(answers) < _MIN_REQUESTS:
        return inconclusive(check, f"only {len(answers)} requests were made")
    lost = [answer.number for answer in answers if not answer.status]
    foreign = [answer.number for answer in answers if not answer.intact]
    twice = [number for number, times in Counter(answer.number for answer in answers).items() if times > 1]
    if lost or foreign or twice:
        return failed(
            check, f"unanswered {_some(lost)}, another's body {_some(foreign)}, twice {_some(twice)}"
        )
    statuses = Counter(f"{answer.status}{', cut' if answer.cut else ''}" for answer in answers)
    return passed(check, ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items())))


def told(answers: Sequence[Answer], log: str, callees: Iterable[str]) -> Verdict:
    """One line of the caller's sidecar a request, of the status the caller saw. Of a failure, its flag or
    that of the callee's sidecar, whose answer it may be, says why; of an answer that was cut, its own.
    """
    check = "the log tells of each request once, and of failures why"
    lines: dict[int, list[tuple[int, str]]] = {}
    for number, status, flags in _LINE.findall(log):
        lines.setdefault(int(number), []).append((int(status), flags))
    flagged = {int(number) for text in callees for number, _, flags in _LINE.findall(text) if flags != "-"}
    untold, other, mute = [], [], []
    for answer in answers:
        found = lines.get(answer.number, [])
        if len(found) != 1:
            untold.append(answer.number)
        elif found[0][0] != answer.status:
            other.append(answer.number)
        elif found[0][1] == "-" and (answer.cut or (answer.status >= 500 and answer.number not in flagged)):
            mute.append(answer.number)
    if untold or other or mute:
        return failed(check, f"not once {_some(untold)}, other status {_some(other)}, no flag {_some(mute)}")
    flags = Counter(flag for found in lines.values() for _, flag in found if flag != "-")
    return passed(
        check, ", ".join(f"{flag}: {times}" for flag, times in sorted(flags.items())) or "no failures"
    )


def executed(
    answers: Sequence[Answer], journals: Iterable[str], retries: int, *, repeats_posts: bool = False
) -> Verdict:
    """What was answered 200 was executed; nothing more often than its retries allow, and no POST again."""
    check = "origins execute what is answered, and no POST twice"
    times = Counter(int(line) for journal in journals for line in journal.split())
    missing = [answer.number for answer in answers if answer.status == 200 and not times[answer.number]]
    most = {"GET": retries + 1, "POST": retries + 1 if repeats_posts else 1}
    again = [answer.number for answer in answers if times[answer.number] > most[answer.method]]
    unasked = sorted(times.keys() - {answer.number for answer in answers})
    if missing or again or unasked:
        return failed(
            check, f"never {_some(missing)}, too often {_some(again)}, not asked for {_some(unasked)}"
        )
    repeated = sum(1 for number in times.values() if number > 1)
    return passed(check, f"{len(times)} executed, {repeated} of them again by a retry")


def memory_is_flat(watched: Mapping[str, Watched]) -> Verdict:
    check = f"memory is flat: at most {MAX_GROWTH_BYTES >> 20} MB from the 2nd quarter to the last"
    growth: dict[str, int] = {}
    for name, process in watched.items():
        quarter = len(process.resident) // 4
        if quarter < 2:
            return inconclusive(check, f"only {len(process.resident)} samples of {name}")
        growth[name] = int(
            median(process.resident[-quarter:]) - median(process.resident[quarter : 2 * quarter])
        )
    said = ", ".join(f"{name} {bytes_ / 2**20:+.1f} MB" for name, bytes_ in growth.items())
    return (failed if max(growth.values()) > MAX_GROWTH_BYTES else passed)(check, said)


def descriptors_are_back(watched: Mapping[str, Watched], connections: int) -> Verdict:
    check = "no descriptor is left open"
    said = ", ".join(
        f"{name} {process.descriptors_before} -> {process.descriptors_after}"
        for name, process in watched.items()
    )
    kept = any(
        process.descriptors_after > process.descriptors_before + connections + SPARE_DESCRIPTORS
        for process in watched.values()
    )
    return (failed if kept else passed)(check, said)


def nothing_unhandled(logs: Mapping[str, str]) -> Verdict:
    check = "no log holds an unhandled exception"
    for name, log in logs.items():
        for cry in _CRIES:
            if cry in log:
                line = next(line for line in log.splitlines() if cry in line)
                return failed(check, f"{name}: {line[:120]}")
    return passed(check, f"{len(logs)} logs")


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:5])
    return f"{len(numbers)} ({shown})" if numbers else "0"
