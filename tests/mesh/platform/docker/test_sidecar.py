"""A pod taken over, in a real network namespace, with a stand-in for the sidecar that says what reached it.

client pod                                    server pod
app --(rules)--> 15001 says where to    ...   from outside --(rules)--> 15006 says what it was for
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

import docker
import pytest
import testinfra
from docker.models.containers import Container

from mesh.platform.docker import engine, pod, sdk
from mesh.platform.docker.interception import PROXY_UID, Interception
from mesh.platform.docker.sidecar import EntryError, own_address
from mesh.platform.topology import Workload, parse_ports

START_TIMEOUT_S = 30.0

# listens where a sidecar does; answers "<own port> <original destination>" and ends the connection
STAND_IN = """
import socket, socketserver, struct, sys, threading
class Say(socketserver.BaseRequestHandler):
    def handle(self):
        port, host = struct.unpack('!2xH4s8x', self.request.getsockopt(socket.SOL_IP, 80, 16))
        mine = self.request.getsockname()[1]
        self.request.sendall(f'{mine} {socket.inet_ntoa(host)}:{port}'.encode())
socketserver.ThreadingTCPServer.allow_reuse_address = True
for port in (15001, 15006, 15020):
    server = socketserver.ThreadingTCPServer(('0.0.0.0', port), Say)
    threading.Thread(target=server.serve_forever).start()
print(' '.join(sys.argv), flush=True)
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as s:
    print(s.recv(99).decode())
"""
SERVE = """
import socketserver
class App(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b'app')
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(('0.0.0.0', 9080), App).serve_forever()
"""


@dataclass
class Pod:
    owner: Container
    sidecar: Container
    app: Container
    address: str
    starts: int = 0

    def await_start(self) -> None:
        """Until the stand-in has said once more that it listens."""
        self.starts += 1
        end = time.monotonic() + START_TIMEOUT_S
        while (said := self.sidecar.logs()).count(b"--address") < self.starts:
            assert time.monotonic() < end, f"it does not start: {said.decode()}"
            time.sleep(0.05)

    def ask(self, host: str, port: int) -> str:
        """What answers a connection the app makes."""
        done = self.app.exec_run(["python", "-c", ASK, host, str(port)])
        return done.output.decode().strip()


@pytest.fixture(scope="module")
def gateway(client: docker.DockerClient, run: str) -> str:
    """The host's address on the run's network: somewhere to have a route to."""
    network = client.networks.list(names=[run])[0]
    network.reload()
    return str(network.attrs["IPAM"]["Config"][0]["Gateway"])


@pytest.fixture(scope="module")
def entered(client: docker.DockerClient, image: str, run: str, gateway: str) -> Pod:
    workload = Workload("a", (), ports=parse_ports("a", "http:80:9080"))
    options = Interception(exclude_outbound_ports=("7",), exclude_inbound_ports=("2222",))
    spec = pod.sidecar(
        image,
        workload,
        interception=options,
        control_plane=f"{gateway}:15012",
        entry=("python", "-c", STAND_IN),
    )
    marks = {"labels": engine.labels(run)}
    owner = client.containers.create(**sdk.arguments(pod.pause(image, workload), network=run, **marks))
    owner.start()
    owner.reload()
    share = {"network_mode": f"container:{owner.id}"}
    sidecar = client.containers.create(**sdk.arguments(spec | share, labels=engine.labels(run)))
    app = client.containers.create(
        image,
        ["python", "-c", SERVE],
        init=True,
        user="1000:1000",
        labels=engine.labels(run),
        **share,
    )
    for container in (sidecar, app):
        container.start()
    made = Pod(owner, sidecar, app, owner.attrs["NetworkSettings"]["Networks"][run]["IPAddress"])
    made.await_start()
    return made


def outside(client: docker.DockerClient, image: str, run: str, host: str, port: int) -> str:
    argv = ["python", "-c", ASK, host, str(port)]
    return (
        client.containers.run(image, argv, network=run, remove=True, labels=engine.labels(run))
        .decode()
        .strip()
    )


@pytest.mark.docker
class TestATakenPod:
    def test_the_command_is_told_the_pods_own_address(self, entered: Pod, gateway: str) -> None:
        words = entered.sidecar.logs().decode().split()
        assert words[words.index("--address") + 1] == entered.address
        assert words[words.index("--control-plane") + 1] == f"{gateway}:15012"

    def test_it_runs_as_1337_without_any_capability(self, entered: Pod) -> None:
        host = testinfra.get_host(f"docker://{entered.sidecar.id}")
        (process,) = host.process.filter(user="mesh", comm="python")
        assert (int(process.uid), int(process.gid)) == (PROXY_UID, PROXY_UID)
        status = host.file(f"/proc/{process.pid}/status").content_string
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert facts["NoNewPrivs"] == "1"
        assert facts["Groups"].strip() == ""

    def test_the_rules_are_in_place_once(self, entered: Pod) -> None:
        host = testinfra.get_host(f"docker://{entered.sidecar.id}")
        rules = host.iptables.rules("nat")
        assert rules.count("-A PREROUTING -p tcp -j ISTIO_INBOUND") == 1
        assert rules.count("-A OUTPUT -p tcp -j ISTIO_OUTPUT") == 1
        assert "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001" in rules
        assert host.socket("tcp://0.0.0.0:15001").is_listening

    def test_a_restarted_sidecar_finds_its_rules_and_adds_none(self, entered: Pod) -> None:
        host = testinfra.get_host(f"docker://{entered.sidecar.id}")
        before = host.iptables.rules("nat")
        entered.sidecar.restart(timeout=1)
        entered.await_start()
        assert host.iptables.rules("nat") == before

    def test_a_stop_reaches_the_sidecar_as_sigterm(self, entered: Pod) -> None:
        """Its init is still root, the sidecar is not: the signal must get across all the same."""
        entered.sidecar.stop(timeout=30)
        entered.sidecar.reload()
        assert entered.sidecar.attrs["State"]["ExitCode"] == 128 + signal.SIGTERM
        entered.sidecar.start()
        entered.await_start()

    def test_what_the_app_calls_reaches_the_outbound_port(self, entered: Pod, gateway: str) -> None:
        assert entered.ask(gateway, 9) == f"15001 {gateway}:9"

    def test_an_excluded_port_goes_past_the_sidecar(self, entered: Pod, gateway: str) -> None:
        assert "ConnectionRefusedError" in entered.ask(gateway, 7)

    def test_loopback_is_left_alone(self, entered: Pod) -> None:
        assert entered.ask("127.0.0.1", 9080) == "app"

    def test_what_comes_from_outside_reaches_the_inbound_port(
        self, client: docker.DockerClient, image: str, run: str, entered: Pod
    ) -> None:
        assert outside(client, image, run, entered.address, 9080) == f"15006 {entered.address}:9080"
        assert outside(client, image, run, entered.address, 1) == f"15006 {entered.address}:1"

    def test_the_sidecars_own_ports_are_reached_directly(
        self, client: docker.DockerClient, image: str, run: str, entered: Pod
    ) -> None:
        assert outside(client, image, run, entered.address, 15020) == f"15020 {entered.address}:15020"

    def test_the_sidecars_own_connections_are_not_redirected(self, entered: Pod, gateway: str) -> None:
        done = entered.sidecar.exec_run(["python", "-c", ASK, gateway, "9"], user=pod.PROXY_USER)
        assert b"ConnectionRefusedError" in done.output

    def test_the_sidecar_calling_its_own_pods_service_comes_in_again(self, entered: Pod) -> None:
        argv = ["python", "-c", ASK, entered.address, "9080"]
        done = entered.sidecar.exec_run(argv, user=pod.PROXY_USER)
        assert done.output.decode().strip() == f"15006 {entered.address}:9080"

    def test_the_sidecars_user_cannot_change_the_rules(self, entered: Pod) -> None:
        done = entered.sidecar.exec_run(["iptables", "-t", "nat", "-F"], user=pod.PROXY_USER)
        assert done.exit_code != 0

    def test_the_rules_outlive_the_app(self, entered: Pod, gateway: str) -> None:
        entered.app.restart(timeout=1)
        assert entered.ask(gateway, 9) == f"15001 {gateway}:9"


def test_no_route_to_the_control_plane_is_said() -> None:
    with pytest.raises(EntryError, match="no route to the control plane istiod"):
        own_address("istiod.invalid:15012", deadline_s=0.0)


def test_the_own_address_is_the_one_that_leads_there() -> None:
    assert own_address("127.0.0.1:15012") == "127.0.0.1"
