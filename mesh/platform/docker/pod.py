"""The containers that make a pod and a mesh, in compose's words. Pure.

    <name>-pod      the pause container: owns the network namespace, while app and sidecar come and go
    <name>-sidecar  takes over the namespace's traffic, then forwards it as uid 1337
    <name>          the application, in the same namespace
    istiod          the control plane

Compose's dialect serves both users: ``inject.py`` writes it into files, ``sdk.py`` turns it into API calls.
No container is privileged; each names the few capabilities it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mesh.model.names import CONTROL_PLANE_HTTP_PORT, HEALTH_PORT, XDS_TLS_PORT
from mesh.platform.docker.interception import PROXY_GID, PROXY_UID, Interception, arguments
from mesh.platform.topology import Workload, port_argument

Service = dict[str, Any]

CONTROL_PLANE = "istiod"
CONTROL_PLANE_ALIASES = ("istiod.istio-system", "istiod.istio-system.svc")
CONTROL_PLANE_ADDRESS = f"{CONTROL_PLANE}:{XDS_TLS_PORT}"
DATA_DIR = "/var/lib/mesh"
IDENTITY_DIR = "/run/secrets/mesh"  # the token and the root certificate of one account, read-only
RUN_DIR = "/run/mesh"
PROXY_USER = f"{PROXY_UID}:{PROXY_GID}"
NOBODY = "65534:65534"
PART_LABEL = "mesh-labs.part"  # pod, sidecar, app, control-plane, identities
POD_LABEL = "mesh-labs.pod"  # the workload's name
MESHCTL = ("python", "-m", "mesh.ctl.main")
NO_NEW_PRIVILEGES = ("no-new-privileges:true",)


def marks(part: str, pod: str = "") -> dict[str, str]:
    return {PART_LABEL: part} | ({POD_LABEL: pod} if pod else {})


def pause(image: str, workload: Workload) -> Service:
    """Does nothing, for ever, in the pod's network namespace."""
    return {
        "image": image,
        "command": ["sleep", "infinity"],
        "init": True,  # without it a stop waits 10 s
        "user": NOBODY,
        "cap_drop": ["ALL"],
        "security_opt": list(NO_NEW_PRIVILEGES),
        "hostname": workload.pod,
        "labels": marks("pod", workload.name),
    }


def proxy(image: str, workload: Workload, **options: Any) -> Service:
    """The workload's proxy: a router for one of that type, else a sidecar."""
    return (router if workload.type == "router" else sidecar)(image, workload, **options)


def router(
    image: str,
    workload: Workload,
    *,
    dataplane: str = "python",
    concurrency: int = 1,
    control_plane: str = CONTROL_PLANE_ADDRESS,
    entry: Sequence[str] = MESHCTL,
    drain_duration_s: float = 5.0,
) -> Service:
    """A gateway: it takes over nothing, so it is never root. The caller adds the network and the identity."""
    start = [
        "python",
        "-m",
        "mesh.platform.docker.sidecar",
        "--control-plane",
        control_plane,
        "--stand-alone",
    ]
    return {
        "image": image,
        "command": [
            *start,
            "--",
            *entry,
            *proxy_arguments(workload, dataplane, concurrency, drain_duration_s),
        ],
        "init": True,
        "user": PROXY_USER,
        "cap_drop": ["ALL"],
        "security_opt": list(NO_NEW_PRIVILEGES),
        "tmpfs": [f"{RUN_DIR}:mode=0700,uid={PROXY_UID},gid={PROXY_GID}"],
        "labels": marks("sidecar", workload.name),
    }


def sidecar(
    image: str,
    workload: Workload,
    *,
    dataplane: str = "python",
    concurrency: int = 1,
    interception: Interception | None = None,
    control_plane: str = CONTROL_PLANE_ADDRESS,
    entry: Sequence[str] = MESHCTL,
    drain_duration_s: float = 5.0,
) -> Service:
    """``entry`` stands in front of ``proxy ...``. The caller adds the network and the identity."""
    takeover = ["python", "-m", "mesh.platform.docker.sidecar", "--control-plane", control_plane]
    takeover += [*arguments(_with_ports(interception or Interception(), workload)), "--"]
    return {
        "image": image,
        "command": [*takeover, *entry, *proxy_arguments(workload, dataplane, concurrency, drain_duration_s)],
        "init": True,
        "user": "0:0",  # until the rules are set
        "cap_drop": ["ALL"],
        # the rules; becoming 1337; and the container's init, still root, passing SIGTERM on to it: without
        # KILL it cannot, and a stop would cut connections off instead of draining them
        "cap_add": ["NET_ADMIN", "SETUID", "SETGID", "KILL"],
        "security_opt": list(NO_NEW_PRIVILEGES),
        "tmpfs": [f"{RUN_DIR}:mode=0700,uid={PROXY_UID},gid={PROXY_GID}"],
        "labels": marks("sidecar", workload.name),
    }


def _with_ports(interception: Interception, workload: Workload) -> Interception:
    return replace(interception, inbound_ports=tuple(str(port.target_port) for port in workload.ports))


def proxy_arguments(
    workload: Workload, dataplane: str, concurrency: int, drain_duration_s: float
) -> list[str]:
    """``proxy`` and its options, without ``--address`` and ``--control-plane``: the entry adds those."""
    words = ["proxy", "--name", workload.pod, "--namespace", workload.namespace]
    words += ["--service-account", workload.service_account, "--workload", workload.name]
    words += ["--labels", ",".join(f"{key}={value}" for key, value in workload.labels.items())]
    words += ["--type", "router"] if workload.type == "router" else []
    words += ["--dataplane", dataplane, "--interception", "REDIRECT", "--run-dir", RUN_DIR]
    words += ["--root-cert", f"{IDENTITY_DIR}/root-cert.pem", "--token-file", f"{IDENTITY_DIR}/token"]
    words += ["--drain-duration", f"{drain_duration_s:g}", "--concurrency", str(concurrency)]
    if workload.service:
        words += ["--service", workload.service]
    for port in workload.ports:
        words += ["--port", port_argument(port)]
    return words


def control_plane(image: str, config_dirs: Sequence[str] = ()) -> Service:
    """Not root, no capability; its data directory is ``DATA_DIR``."""
    command = [*MESHCTL, "control-plane", "--address", "0.0.0.0", "--data-dir", DATA_DIR]
    for folder in config_dirs:
        command += ["--config-dir", folder]
    return {
        "image": image,
        "command": command,
        "init": True,
        "user": PROXY_USER,
        "cap_drop": ["ALL"],
        "security_opt": list(NO_NEW_PRIVILEGES),
        "labels": marks("control-plane"),
    }


def identities(image: str, accounts: Mapping[str, str]) -> Service:
    """Writes each account's token and the root certificate into its own directory, and ends.

    ``accounts``: "<namespace>/<account>" -> the directory. Root may write there; the sidecar's user reads.
    """
    command = ["python", "-m", "mesh.platform.docker.identities", "--data-dir", DATA_DIR]
    command += [f"{account}={folder}" for account, folder in sorted(accounts.items())]
    return {
        "image": image,
        "command": command,
        "init": True,
        "user": "0:0",
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
        "security_opt": list(NO_NEW_PRIVILEGES),
        "network_mode": "none",
        "labels": marks("identities"),
    }


def ready_check(port: int, path: str) -> dict[str, Any]:
    """A compose healthcheck of a URL in the container's own namespace; ``-S``: it needs no packages."""
    url = f"http://127.0.0.1:{port}{path}"
    test = ["CMD", "python", "-S", "-m", "mesh.platform.docker.probe", url]
    return {"test": test, "interval": "2s", "timeout": "5s", "retries": 60}


def sidecar_ready() -> dict[str, Any]:
    return ready_check(HEALTH_PORT, "/healthz/ready")


def control_plane_ready() -> dict[str, Any]:
    return ready_check(CONTROL_PLANE_HTTP_PORT, "/ready")
