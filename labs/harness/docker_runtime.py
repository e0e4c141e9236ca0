"""The docker runtime: each pod a network namespace, its traffic led through the sidecar by iptables.

    pod = pause container (owns the namespace and the names) + sidecar + app + the commands a lab runs in it

A run owns one network; every container and the network carry the run's label, and are removed by it. The
host reaches containers by their addresses on that network: no port of the host is taken, so runs stand side
by side.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, ParamSpec, TypeVar

import aiohttp
from docker.errors import APIError
from docker.models.containers import Container

from labs.harness.docker_command import DockerCommand
from labs.harness.docker_pod import DockerPod, Engine, check, identity, memory, run_inside, start
from labs.harness.eventually import NotInTime, eventually
from labs.harness.runtime import MESHCTL, ControlPlane, Identity, Part, RuntimeFailure, RuntimeOptions
from mesh.citadel.tokens import Tokens
from mesh.model.names import CONTROL_PLANE_HTTP_PORT, HEALTH_PORT, XDS_TLS_PORT
from mesh.model.protocol import HTTP
from mesh.platform.docker import engine, files, pod
from mesh.platform.docker.base_image import ImageError, Say
from mesh.platform.docker.image import REPOSITORY, ensure_image
from mesh.platform.docker.interception import PROXY_GID, PROXY_UID
from mesh.platform.topology import Topology, Workload, service_environment

THREADS = 4  # API calls at a time; more only queue up in the engine
PODS_AT_A_TIME = 4  # starting interpreters compete for the processor
APP_USER = "1000:1000"
DRAIN_S = 1.0  # a lab's pods end with no traffic left
DEATH_TIMEOUT_S = 30
PROBE = ("python", "-S", "-m", "mesh.platform.docker.probe")
KILL_ALL = ("sh", "-c", "kill -9 -1")  # from inside: every process but the container's init, which then ends
MIXER_FILE = f"{pod.DATA_DIR}/mixer/access_log.jsonl"

P = ParamSpec("P")
T = TypeVar("T")


def unavailable(say: Say | None = None) -> str | None:
    """Why Docker cannot be used here; None when it can. Builds the image if it is not there, and says so."""
    try:
        client = engine.connect()
        try:
            ensure_image(client, say or _say)
        finally:
            client.close()
    except (engine.EngineError, ImageError) as reason:
        return str(reason)
    return None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class DockerRuntime:
    """Implements ``labs.harness.runtime.Runtime``."""

    name: Literal["docker"] = "docker"

    def __init__(self, options: RuntimeOptions) -> None:
        self._options = options
        self._logs = options.folder / "logs"
        self.run = f"mesh-labs-{secrets.token_hex(4)}"
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=self.run)
        self._engine: Engine | None = None
        self._image = ""
        self._session: aiohttp.ClientSession | None = None
        self._pods: dict[str, DockerPod] = {}
        self._services: dict[str, str] = {}  # what every app is told of those that are not HTTP
        self._istiod = DockerPod(Workload(pod.CONTROL_PLANE, ()))  # its `app` is the control plane
        self._outside = DockerPod(Workload("outside", ()))  # its namespace only
        self._outside_opens = asyncio.Lock()
        self._numbers = itertools.count(1)  # of commands
        self._control_plane: ControlPlane | None = None
        self._tokens: Tokens | None = None

    # -- life ---------------------------------------------------------------------------------------------

    async def up(self, topology: Topology) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0))
        self._pods = {workload.name: DockerPod(workload) for workload in topology.workloads}
        for host, ports in topology.byte_services().items():
            self._services |= service_environment(host, ports, host.partition(".")[0])
        await self._call(self._prepare)
        await self.start_control_plane()
        turns = asyncio.Semaphore(PODS_AT_A_TIME)
        try:
            async with asyncio.TaskGroup() as group:
                for one in self._pods.values():
                    group.create_task(self._start_pod(one, turns))
        except* RuntimeFailure as failed:
            raise failed.exceptions[0] from None

    def _prepare(self) -> None:
        try:
            client = engine.connect()
            self._engine = Engine(client, self.run)
            engine.sweep(client)
            self._image = ensure_image(client, lambda line: None)
            client.networks.create(self.run, driver="bridge", labels=engine.labels(self.run))
        except (engine.EngineError, ImageError, APIError) as reason:
            raise RuntimeFailure(str(reason)) from reason

    async def down(self) -> None:
        """What a thread is creating is awaited first, so that nothing appears after its removal."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._engine is not None:
            made_by, self._engine = self._engine, None
            await asyncio.to_thread(self._remove_all, made_by)

    def _remove_all(self, made_by: Engine) -> None:
        """Containers four at a time, the namespaces' owners last; then all else of the run, by its label."""
        pods = [*self._pods.values(), self._istiod]
        try:
            self._keep_logs(pods)
        finally:
            guests = [one for each in pods for one in (each.app, each.sidecar) if one is not None]
            owners = [each.owner for each in (*pods, self._outside) if each.owner is not None]
            with ThreadPoolExecutor(THREADS) as threads:
                for wave in (guests, owners):
                    remove = [(made_by.client, container.id or "") for container in wave]
                    list(threads.map(lambda one: engine.remove_container(*one), remove))
            engine.remove_run(made_by.client, self.run)
            made_by.client.close()

    def _keep_logs(self, pods: Sequence[DockerPod]) -> None:
        for each in pods:
            for name, container in each.containers().items():
                if container is not each.owner:
                    name = "control-plane" if each is self._istiod else name
                    (self._logs / f"{name}.log").write_bytes(container.logs())
        if self._istiod.app is not None:
            (self._logs / "mixer.jsonl").write_text(files.get(self._istiod.app, MIXER_FILE) or "")

    # -- control plane ------------------------------------------------------------------------------------

    async def start_control_plane(self) -> None:
        container = await self._call(self._start_control_plane)
        address = f"{self._istiod.address}:{CONTROL_PLANE_HTTP_PORT}"
        await self._answers(container, f"http://{address}/ready")
        if self._control_plane is None:
            self._control_plane = await self._call(self._read_control_plane, container)

    def _start_control_plane(self) -> Container:
        if self._istiod.app is None:
            self._istiod.open(self._made_by, self._image, (pod.CONTROL_PLANE, *pod.CONTROL_PLANE_ALIASES))
            service = pod.control_plane(self._image) | self._istiod.namespace
            self._istiod.app = self._made_by.create(pod.CONTROL_PLANE, service)
        start(self._istiod.app)
        return self._istiod.app

    def _read_control_plane(self, container: Container) -> ControlPlane:
        """What its data directory holds for us; it stays the same over restarts."""
        wanted = ("admin-token", "citadel/root-cert.pem", "citadel/token-key")
        texts = [files.get(container, f"{pod.DATA_DIR}/{name}") for name in wanted]
        if None in texts:
            raise RuntimeFailure(f"the control plane is ready, but has no {wanted[texts.index(None)]}")
        admin_token, root_pem, token_key = (text or "" for text in texts)
        self._tokens = Tokens(token_key.encode())
        address = self._istiod.address
        return ControlPlane(
            http=f"http://{address}:{CONTROL_PLANE_HTTP_PORT}",
            grpc=f"{address}:{XDS_TLS_PORT}",
            admin_token=admin_token.strip(),
            root_pem=root_pem,
        )

    async def kill_control_plane(self) -> None:
        container = self._running(self._istiod.app, pod.CONTROL_PLANE)

        def kill() -> None:
            run_inside(container, KILL_ALL, pod.PROXY_USER)
            container.wait(timeout=DEATH_TIMEOUT_S)

        await self._call(kill)

    def control_plane(self) -> ControlPlane:
        if self._control_plane is None:
            raise RuntimeFailure("the mesh is not up")
        return self._control_plane

    def token(self, namespace: str, service_account: str) -> str:
        if self._tokens is None:
            raise RuntimeFailure("the mesh is not up")
        return self._tokens.issue(namespace, service_account)

    async def mixer_log(self) -> str:
        container = self._running(self._istiod.app, pod.CONTROL_PLANE)
        return await self._call(files.get, container, MIXER_FILE) or ""

    # -- pods ---------------------------------------------------------------------------------------------

    async def _start_pod(self, each: DockerPod, turns: asyncio.Semaphore) -> None:
        """The sidecar first; the app is held until the sidecar is ready to carry its calls."""
        async with turns:
            await self._call(self._open, each)
            if each.workload.type != "outside":
                each.sidecar = await self._call(self._start_sidecar, each)
                await self._answers(each.sidecar, f"http://{each.address}:{HEALTH_PORT}/healthz/ready")
            if each.workload.type == "router":
                return
            each.app = await self._call(self._start_app, each)
            for port in each.workload.ports:
                there = f"127.0.0.1:{port.target_port}"
                await self._serves(
                    each, f"http://{there}/health" if port.protocol in HTTP else f"tcp://{there}"
                )

    def _open(self, each: DockerPod) -> None:
        workload = each.workload
        names = (workload.service, workload.name) if workload.service else (workload.name,)
        each.open(self._made_by, self._image, names)

    def _start_sidecar(self, each: DockerPod) -> Container:
        workload = each.workload
        service = pod.proxy(
            self._image,
            workload,
            dataplane=self._options.dataplane,
            concurrency=self._options.concurrency,
            entry=self._options.sidecar_entry.get(workload.name, MESHCTL),
            drain_duration_s=DRAIN_S,
        )
        container = each.sidecar = self._made_by.create(f"{workload.name}-sidecar", service | each.namespace)
        identity_files = {
            f"{pod.IDENTITY_DIR}/token": self.token(workload.namespace, workload.service_account),
            f"{pod.IDENTITY_DIR}/root-cert.pem": self.control_plane().root_pem,
        }
        files.put(container, identity_files, PROXY_UID, PROXY_GID)
        start(container)
        return container

    def _start_app(self, each: DockerPod) -> Container:
        service = self._app_service(each, each.workload.command, {})
        each.app = self._made_by.create(each.workload.name, service)
        start(each.app)
        return each.app

    def _app_service(self, each: DockerPod, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        """The app's container, or one beside it with the same view of the world."""
        workload = each.workload
        ours = not workload.image or workload.image.startswith(f"{REPOSITORY}:")
        made: dict[str, Any] = {
            "image": self._image if ours else workload.image,
            "command": list(command),
            "init": True,
            "environment": {**self._services, **workload.environment, "HOSTNAME": workload.pod, **env},
            "labels": pod.marks("app", workload.name),
        }
        return made | ({"user": APP_USER, "cap_drop": ["ALL"]} if ours else {}) | each.namespace

    async def exec(
        self, pod: str, argv: Sequence[str], env: Mapping[str, str] | None = None
    ) -> DockerCommand:
        service = self._app_service(self._pods[pod], argv, env or {})
        return await self._command(pod, f"{pod}.exec.log", service)

    async def outside(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> DockerCommand:
        async with self._outside_opens:
            if self._outside.owner is None:
                await self._call(self._outside.open, self._made_by, self._image, ("outside",))
        environment = {"ADDRESS": self._outside.address, **(env or {})}
        service = self._app_service(self._outside, argv, environment)
        return await self._command("outside", "outside.log", service)

    async def _command(self, name: str, log: str, service: dict[str, Any]) -> DockerCommand:
        container = await self._call(self._made_by.create, f"{name}-command-{next(self._numbers)}", service)
        command = DockerCommand(container, self._logs / log)
        await command.start()
        return command

    def entrance(self, pod: str) -> str:
        return f"docker exec {self._container(pod, 'app').name}"

    async def identity(self, pod: str, part: Part) -> Identity:
        return await self._call(identity, self._container(pod, part))

    def address(self, pod: str) -> str:
        return self._pods[pod].address

    async def log(self, pod: str, part: Part) -> str:
        container = self._container(pod, part)
        output = await self._call(container.logs, stdout=True, stderr=False)
        return output.decode(errors="replace")

    async def memory(self) -> Mapping[str, int]:
        wanted = {"control-plane": (self._istiod.app, pod.PROXY_USER)}
        for name, each in self._pods.items():
            wanted[f"{name}/sidecar"] = (each.sidecar, pod.PROXY_USER)
            wanted[f"{name}/app"] = (each.app, APP_USER)
        found = {name: (one, user) for name, (one, user) in wanted.items() if one is not None}
        sizes = await asyncio.gather(*(self._call(memory, one, user) for one, user in found.values()))
        return dict(zip(found, sizes, strict=True))

    def _container(self, name: str, part: Part) -> Container:
        if part == "control-plane":
            return self._running(self._istiod.app, part)
        each = self._pods[name]
        return self._running(each.app if part == "app" else each.sidecar, f"{name}: its {part}")

    def _running(self, container: Container | None, what: str) -> Container:
        if container is None:
            raise RuntimeFailure(f"{what} does not run")
        return container

    # -- waiting ------------------------------------------------------------------------------------------

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A blocking call in one of the run's threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def _answers(self, container: Container, url: str) -> None:
        """Wait for 200 from ``url``. Raises RuntimeFailure when the container ends or the time is up."""
        session = self._session
        assert session is not None

        async def probe() -> bool | None:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return True
            except (aiohttp.ClientError, TimeoutError):
                await self._call(check, container)
            return None

        try:
            await eventually(f"{container.name}: {url}", probe, self._options.ready_timeout_s, every_s=0.1)
        except NotInTime as late:
            raise RuntimeFailure(await self._call(self._reason, container, url, str(late))) from late

    async def _serves(self, each: DockerPod, url: str) -> None:
        """Wait for the app, asking on loopback, which no rule redirects: this is no request of the mesh.

        Raises RuntimeFailure when it ends or the time is up.
        """
        app = self._running(each.app, "app")

        def attempt() -> bool | None:
            status, _ = run_inside(each.sidecar or app, [*PROBE, url, "1"], pod.PROXY_USER)
            if status != 0:
                check(app)
            return True if status == 0 else None

        try:
            await eventually(
                f"{each.workload.name}: {url}", lambda: self._call(attempt), self._options.ready_timeout_s
            )
        except NotInTime as late:
            raise RuntimeFailure(str(late)) from late

    def _reason(self, container: Container, url: str, late: str) -> str:
        """It may be well, and only out of reach: a rootless engine, or one in a virtual machine."""
        inside = url.replace(url.partition("//")[2].partition(":")[0], "127.0.0.1")
        if run_inside(container, [*PROBE, inside], pod.PROXY_USER)[0] == 0:
            return (
                f"{container.name} is ready, but this machine does not reach containers by their address "
                "(a rootless engine, or one in a virtual machine); use --runtime process"
            )
        return late

    @property
    def _made_by(self) -> Engine:
        if self._engine is None:
            raise RuntimeFailure("the mesh is not up")
        return self._engine
