"""Files into and out of containers, running or not, over the engine's API: no shared directory is needed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from mesh.platform.docker.engine import EngineError


def put(container: Container, files: Mapping[str, str], uid: int, gid: int, mode: int = 0o400) -> None:
    """Write files by their absolute paths, owned and closed to others. Raises EngineError."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in sorted({path.rpartition("/")[0] for path in files}):
            info = tarfile.TarInfo(folder.lstrip("/"))
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, 0o700, uid, gid
            tar.addfile(info)
        for path, text in files.items():
            content = text.encode()
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode, info.uid, info.gid = len(content), mode, uid, gid
            tar.addfile(info, io.BytesIO(content))
    try:
        container.put_archive("/", out.getvalue())
    except APIError as error:
        raise EngineError(f"{container.name}: {error.explanation}") from error


def get(container: Container, path: str) -> str | None:
    """A file's text; None when there is none. Works on a stopped container too. Raises EngineError."""
    try:
        chunks, _ = container.get_archive(path)
        archive = io.BytesIO(b"".join(chunks))
    except NotFound:
        return None
    except APIError as error:
        raise EngineError(f"{container.name}: {path}: {error.explanation}") from error
    with tarfile.open(fileobj=archive) as tar:
        file = tar.extractfile(tar.getmembers()[0])
        return file.read().decode() if file else None
