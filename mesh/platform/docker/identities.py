"""Hand each service account its bootstrap token: ``<namespace>/<account>=<directory>`` ...

    python -m mesh.platform.docker.identities --data-dir /var/lib/mesh default/bookinfo-reviews=/identity/...

Run once beside the control plane, before the sidecars. Every directory is a volume that the sidecars of one
account alone mount, so that none sees another's token; it gets ``token`` (mode 0400, the sidecar's user)
and ``root-cert.pem``. Each file is put in place by a rename: a reader sees the old one or the new one, whole.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mesh.citadel.tokens import Tokens
from mesh.platform.docker.interception import PROXY_GID, PROXY_UID

ROOT_CERT = Path("citadel") / "root-cert.pem"


def write_identity(folder: Path, token: str, root_pem: str) -> None:
    """Put both files into the directory, readable by the sidecar's user only. Raises OSError."""
    folder.chmod(0o700)
    os.chown(folder, PROXY_UID, PROXY_GID)
    _put(folder / "token", token, 0o400)
    _put(folder / "root-cert.pem", root_pem, 0o444)


def _put(path: Path, text: str, mode: int) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        os.fchown(descriptor, PROXY_UID, PROXY_GID)
    draft.rename(path)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="identities", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("account", nargs="+", metavar="NAMESPACE/ACCOUNT=DIRECTORY")
    flags = parser.parse_args(words)
    tokens = Tokens.open(flags.data_dir)
    root_pem = (flags.data_dir / ROOT_CERT).read_text()
    for item in flags.account:
        account, _, folder = item.partition("=")
        namespace, _, name = account.partition("/")
        try:
            write_identity(Path(folder), tokens.issue(namespace, name), root_pem)
        except (OSError, ValueError) as error:
            print(f"identities: {item}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
