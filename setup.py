"""What ``pyproject.toml`` cannot say: with MESH_LABS_COMPILE=1 the modules a request passes are compiled.

mypyc makes C extensions of them from the same source, which stays what is read, checked and, where there is
no C compiler, run. The list is of the wire path only: the rest of a sidecar takes no time worth it.
"""

import os

from setuptools import setup

MODULES = {
    "http": "errors fields message request_parser response_parser serialize status target upgrade",
    "model": "request_report",
    "proxy": """
        access_line access_record breaker connection connection_info exchange exchange_state filters/cors
        filters/fault filters/local_rate_limit filters/peer_metadata grpc grpc_messages heads host
        http_manager internal request_body route stats timers tls tunnel_connection upstream
        """,
    "xds/codec": "access_log_batch",
}


def extensions():
    if os.environ.get("MESH_LABS_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    modules = [f"mesh/{package}/{name}.py" for package, names in MODULES.items() for name in names.split()]
    return mypycify(modules)


setup(ext_modules=extensions())
