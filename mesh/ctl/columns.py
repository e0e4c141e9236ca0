"""kubectl's kind of table: headings in capitals, columns as wide as they must be, three blanks between.

Plain text on purpose: it goes through grep and awk, and looks the same in a terminal and in a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

GAP = "   "


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table's lines, each with its newline; nothing at the end of a line."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
