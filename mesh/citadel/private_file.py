"""Files that only their owner may read: the CA's key, the tokens' key.

Written whole or not at all, and never over one that is there: two control planes that start on one
directory at the same moment end up with the same key.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PRIVATE_MODE = 0o600


class PrivateFileError(Exception):
    """A private file is open to others, or cannot be used; the text says what to do."""


def read_private(path: Path) -> bytes:
    """The content. Raises FileNotFoundError, and PrivateFileError when others could read the file."""
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise PrivateFileError(
                f"{path}: expected mode 0600, got {mode:04o}: chmod 600 it, or make a new key"
            )
        return file.read()


def create_private(path: Path, content: bytes) -> bytes:
    """Make the file unless it is there; answers what it holds then.

    The content is written beside it and linked into place, which fails when the name is taken.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return read_private(path)
    finally:
        draft.unlink()
    return content
