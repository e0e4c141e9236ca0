"""``meshctl``: the one program of the mesh. This module only decides which half of it to load.

The sidecar (``meshctl proxy``) lives as long as its workload and there is one beside each, so it parses its
flags with argparse and never imports the command-line library (typer and rich: 8 MiB, 0.13 s); every
other verb is in ``app.py``.
"""

from __future__ import annotations

import sys


def main() -> None:
    if sys.argv[1:2] == ["proxy"]:
        from mesh.proxy.__main__ import main as proxy

        sys.exit(proxy(sys.argv[2:]))
    from mesh.ctl.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
