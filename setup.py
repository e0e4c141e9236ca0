"""What ``pyproject.toml`` cannot say: with MESH_LABS_COMPILE=1 the modules a request passes are compiled.

mypyc makes C extensions of them from the same source, which stays what is read, checked and, where there is
no C compiler, run. The list is of the wire path only: the rest of a sidecar takes no time worth it.
"""

import os

from setuptools import setup

HTTP = "errors fields message request_parser response_parser serialize status target upgrade"
PROXY = """
    access_line access_record connection exchange exchange_state grpc_messages heads internal request_body
    route timers tls tunnel_connection upstream
"""
CODEC = "access_log_batch"


def extensions():
    if os.environ.get("MESH_LABS_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    paths = [
        f"mesh/{package}/{name}.py"
        for package, names in (("http", HTTP), ("proxy", PROXY), ("xds/codec", CODEC))
        for name in names.split()
    ]
    paths += ["mesh/model/access_log_entry.py", "mesh/model/request_report.py"]
    return mypycify(paths)


setup(ext_modules=extensions())
