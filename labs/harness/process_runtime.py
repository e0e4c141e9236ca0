"""The process runtime: a mesh of local processes on loopback addresses. Needs Python and Linux, no root.

Each pod has two addresses of the run's /16: the app binds one, the sidecar the other. Nothing is redirected:
other sidecars dial the sidecar's address, and the app reaches its own through HTTP_PROXY
(Istio's INTERCEPTION_MODE NONE). For what is not HTTP the sidecar has an address more for each such service,
which the app is told as Kubernetes tells it: DB_SERVICE_HOST, DB_SERVICE_PORT.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import aiohttp

from labs.harness.child import Child
from labs.harness.eventually import NotInTime, eventually
from labs.harness.runtime import MESHCTL, ControlPlane, Identity, Part, RuntimeFailure, RuntimeOptions
from labs.harness.slot import NoSlot, Slot
from mesh.citadel.tokens import Tokens
from mesh.model.names import CONTROL_PLANE_HTTP_PORT, HEALTH_PORT, OUTBOUND_PORT, XDS_TLS_PORT
from mesh.model.protocol import HTTP
from mesh.platform.topology import Topology, Workload, port_argument, service_environment

CONTROL_PLANE = "control-plane"
DRAIN_S = 1.0  # a lab's pods end with no traffic left


class Pod:
    """One workload instance: where it is, and its two processes once they run."""

    def __init__(self, workload: Workload, app_address: str, address: str) -> None:
        self.workload = workload
        self.app_address = app_address
        self.address = address
        self.outbound: dict[str, str] = {}  # where it finds services that are not HTTP, by their hosts
        self.sidecar: Child | None = None
        self.app: Child | None = None


class ProcessRuntime:
    """Implements ``labs.harness.runtime.Runtime``."""

    name: Literal["process"] = "process"

    def __init__(self, options: RuntimeOptions) -> None:
        self._options = options
        self._logs = options.folder / "logs"
        self._pods: dict[str, Pod] = {}
        self._commands: list[Child] = []  # started by `exec` and `outside`
        self._control_plane: Child | None = None
        self._topology = Topology(())
        self._slot: Slot | None = None
        self._temp: Path | None = None
        self._session: aiohttp.ClientSession | None = None

    # -- life ---------------------------------------------------------------------------------------------

    async def up(self, topology: Topology) -> None:
        try:
            self._slot = Slot.acquire()
        except NoSlot as full:
            raise RuntimeFailure(str(full)) from full
        self._topology = topology
        self._logs.mkdir(parents=True, exist_ok=True)
        self._temp = Path(tempfile.mkdtemp(prefix="mesh-lab-"))  # short: a Unix socket's path has 107 bytes
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0))
        for number, workload in enumerate(topology.workloads, start=1):
            address = self._slot.sidecar(number)
            app_address = self._slot.app(number) if workload.type == "sidecar" else address
            pod = Pod(workload, app_address, address)
            hosts = topology.byte_services()
            pod.outbound = {host: self._slot.outbound(number, place) for place, host in enumerate(hosts)}
            self._pods[workload.name] = pod
        await self.start_control_plane()
        try:
            async with asyncio.TaskGroup() as group:
                for pod in self._pods.values():
                    group.create_task(self._start_pod(pod))
        except* RuntimeFailure as failed:
            raise failed.exceptions[0] from None

    async def down(self) -> None:
        pods = list(self._pods.values())
        await _stop(self._commands)
        await _stop([pod.app for pod in pods])
        await _stop([pod.sidecar for pod in pods])
        await _stop([self._control_plane])
        if self._session is not None:
            await self._session.close()
        if self._temp is not None:
            self._keep_mixer_log()
            shutil.rmtree(self._temp, ignore_errors=True)
        if self._slot is not None:
            self._slot.release()
        self._pods, self._commands, self._control_plane = {}, [], None
        self._session = self._temp = self._slot = None

    def _keep_mixer_log(self) -> None:
        if self._mixer_file.exists():
            shutil.copyfile(self._mixer_file, self._logs / "mixer.jsonl")

    # -- control plane ------------------------------------------------------------------------------------

    async def start_control_plane(self) -> None:
        address = self._acquired.control_plane
        argv = [*MESHCTL, "control-plane", "--address", address, "--data-dir", str(self._data_dir)]
        self._control_plane = await Child.start(CONTROL_PLANE, argv, self._logs / "control-plane.log", {})
        await self._answers(self._control_plane, f"http://{address}:{CONTROL_PLANE_HTTP_PORT}/ready")

    async def kill_control_plane(self) -> None:
        if self._control_plane is not None:
            await self._control_plane.kill()

    def control_plane(self) -> ControlPlane:
        address = self._acquired.control_plane
        return ControlPlane(
            http=f"http://{address}:{CONTROL_PLANE_HTTP_PORT}",
            grpc=f"{address}:{XDS_TLS_PORT}",
            admin_token=(self._data_dir / "admin-token").read_text().strip(),
            root_pem=self._root_cert.read_text(),
        )

    def token(self, namespace: str, service_account: str) -> str:
        return Tokens.open(self._data_dir).issue(namespace, service_account)

    async def mixer_log(self) -> str:
        return self._mixer_file.read_text() if self._mixer_file.exists() else ""

    # -- pods ---------------------------------------------------------------------------------------------

    async def _start_pod(self, pod: Pod) -> None:
        """The sidecar first; the app is held until the sidecar is ready to carry its calls."""
        if pod.workload.type != "outside":
            await self._start_sidecar(pod)
        if pod.workload.type != "router":
            await self._start_app(pod)

    async def _start_sidecar(self, pod: Pod) -> None:
        workload = pod.workload
        run_dir = self._temporary / workload.name
        run_dir.mkdir()
        token_file = run_dir / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self.token(workload.namespace, workload.service_account))
        pod.sidecar = await Child.start(
            f"{workload.name}'s sidecar",
            self._sidecar_argv(pod, run_dir, token_file),
            self._logs / f"{workload.name}.sidecar.log",
            {},
        )
        await self._answers(pod.sidecar, f"http://{pod.address}:{HEALTH_PORT}/healthz/ready")

    async def _start_app(self, pod: Pod) -> None:
        workload = pod.workload
        pod.app = await Child.start(
            workload.name,
            workload.command,
            self._logs / f"{workload.name}.app.log",
            self._app_environment(pod),
        )
        for port in workload.ports:
            if port.protocol in HTTP:
                await self._answers(pod.app, f"http://{pod.app_address}:{port.target_port}/health")
            else:
                await self._accepts(pod.app, pod.app_address, port.target_port)

    async def restart_app(self, pod: str) -> None:
        """SIGKILL the pod's app and start it again, as after a crash; the sidecar stays."""
        found = self._pods[pod]
        if found.app is not None:
            await found.app.kill()
        await self._start_app(found)

    def _sidecar_argv(self, pod: Pod, run_dir: Path, token_file: Path) -> list[str]:
        workload, options = pod.workload, self._options
        argv = [*options.sidecar_entry.get(workload.name, MESHCTL), "proxy", "--name", workload.pod]
        argv += ["--namespace", workload.namespace, "--service-account", workload.service_account]
        argv += ["--workload", workload.name, "--dataplane", options.dataplane, "--interception", "NONE"]
        argv += ["--type", workload.type]
        argv += ["--labels", ",".join(f"{key}={value}" for key, value in workload.labels.items())]
        argv += ["--address", pod.address, "--admin-address", pod.address, "--app-address", pod.app_address]
        argv += ["--control-plane", f"{self._acquired.control_plane}:{XDS_TLS_PORT}"]
        argv += ["--root-cert", str(self._root_cert), "--token-file", str(token_file)]
        argv += ["--run-dir", str(run_dir), "--drain-duration", str(DRAIN_S)]
        argv += ["--concurrency", str(options.concurrency)]
        if workload.service:
            argv += ["--service", workload.service]
        for port in workload.ports:
            argv += ["--port", port_argument(port)]
        for host, address in pod.outbound.items():
            argv += ["--outbound", f"{host}={address}"]
        return argv

    def _app_environment(self, pod: Pod) -> dict[str, str]:
        proxy = f"http://{pod.address}:{OUTBOUND_PORT}"
        found: dict[str, str] = {}
        for host, ports in self._topology.byte_services().items():
            found |= service_environment(host, ports, pod.outbound[host])
        mesh = {"BIND_ADDRESS": pod.app_address, "HOSTNAME": pod.workload.pod}
        if pod.workload.type == "outside":
            return {**pod.workload.environment, **mesh}
        return {**found, **pod.workload.environment, **mesh, "HTTP_PROXY": proxy, "http_proxy": proxy}

    async def exec(self, pod: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        environment = self._app_environment(self._pods[pod]) | dict(env or {})
        return await self._command(f"{pod}.exec", argv, environment)

    def entrance(self, pod: str) -> str:
        proxy = f"http://{self._pods[pod].address}:{OUTBOUND_PORT}"
        return f"env http_proxy={proxy} HTTP_PROXY={proxy}"

    async def outside(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        return await self._command("outside", argv, {"ADDRESS": self._acquired.outside, **(env or {})})

    async def _command(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        child = await Child.start(name, argv, self._logs / f"{name}.log", env, piped=True)
        self._commands.append(child)
        return child

    async def identity(self, pod: str, part: Part) -> Identity:
        return self._child(pod, part).identity()

    def address(self, pod: str) -> str:
        return self._pods[pod].address

    async def log(self, pod: str, part: Part) -> str:
        return self._child(pod, part).log.read_text(errors="replace")

    async def memory(self) -> Mapping[str, int]:
        parts = {CONTROL_PLANE: self._control_plane}
        for name, pod in self._pods.items():
            parts |= {f"{name}/sidecar": pod.sidecar, f"{name}/app": pod.app}
        return {name: child.memory() for name, child in parts.items() if child is not None}

    def _child(self, pod: str, part: Part) -> Child:
        found = self._control_plane
        if part != CONTROL_PLANE:
            found = self._pods[pod].app if part == "app" else self._pods[pod].sidecar
        if found is None:
            raise RuntimeFailure(f"{pod}: its {part} does not run")
        return found

    async def _answers(self, child: Child, url: str) -> None:
        """Wait for 200 from ``url``. Raises RuntimeFailure when the child ends or the time is up."""
        session = self._session
        assert session is not None

        async def probe() -> bool | None:
            child.check()
            try:
                async with session.get(url) as response:
                    return True if response.status == 200 else None
            except (aiohttp.ClientError, TimeoutError):
                return None

        await _in_time(lambda: eventually(f"{child.name}: {url}", probe, self._options.ready_timeout_s))

    async def _accepts(self, child: Child, address: str, port: int) -> None:
        """Wait until somebody listens there. Raises RuntimeFailure as ``_answers`` does."""

        async def probe() -> bool | None:
            child.check()
            try:
                _, writer = await asyncio.open_connection(address, port)
            except OSError:
                return None
            writer.close()
            return True

        what = f"{child.name}: {address}:{port}"
        await _in_time(lambda: eventually(what, probe, self._options.ready_timeout_s))

    # -- what exists between up and down ------------------------------------------------------------------

    @property
    def _acquired(self) -> Slot:
        if self._slot is None:
            raise RuntimeFailure("the mesh is not up")
        return self._slot

    @property
    def _temporary(self) -> Path:
        if self._temp is None:
            raise RuntimeFailure("the mesh is not up")
        return self._temp

    @property
    def _data_dir(self) -> Path:
        return self._temporary / "control-plane"

    @property
    def _root_cert(self) -> Path:
        return self._data_dir / "citadel" / "root-cert.pem"

    @property
    def _mixer_file(self) -> Path:
        return self._data_dir / "mixer" / "access_log.jsonl"


async def _in_time(wait: Callable[[], Awaitable[bool]]) -> None:
    try:
        await wait()
    except NotInTime as late:
        raise RuntimeFailure(str(late)) from late


async def _stop(children: Sequence[Child | None]) -> None:
    await asyncio.gather(*(child.stop() for child in reversed(children) if child is not None))
