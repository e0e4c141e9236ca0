"""How a verb fails: one line on stderr and an exit status, never a traceback.

Exit statuses: 0 done, 1 refused or not there, 2 wrong use of the command line.
"""

from __future__ import annotations


class CommandError(Exception):
    """The whole message for the user, in the words of the command line; lower case, no trailing dot."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
