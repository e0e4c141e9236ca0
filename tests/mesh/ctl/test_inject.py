"""``meshctl inject``: files in, files out, and the whole flow of its help on a real engine."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from mesh.ctl.app import run
from mesh.platform.docker import engine
from mesh.platform.docker.base_image import ImageError
from mesh.platform.docker.image import ensure_image

BOOKINFO = Path(__file__).parents[3] / "compose" / "bookinfo.yaml"
GATEWAY = BOOKINFO.with_name("gateway.yaml")
UP_TIMEOUT_S = 300
RULES = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details, namespace: default}
spec:
  hosts: [details]
  http:
  - match: [{headers: {end-user: {exact: nobody}}}]
    directResponse: {status: 418}
  - route: [{destination: {host: details}}]
"""
GET = """
import sys, urllib.error, urllib.request
try:
    request = urllib.request.Request(sys.argv[1], headers={"end-user": sys.argv[2]})
    answer = urllib.request.urlopen(request, timeout=9)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
"""

Compose = Callable[..., str]


def test_a_file_is_written_with_sidecars_and_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mesh.yaml"
    assert run(["inject", "-f", str(BOOKINFO), "-o", str(out), "--image", "mesh:1"]) == 0
    services = yaml.safe_load(out.read_text())["services"]
    assert {"reviews-v1", "reviews-v1-pod", "reviews-v1-sidecar", "istiod"} <= set(services)
    said = capsys.readouterr().err
    assert f"docker-compose -f {out} up -d" in said
    assert "client: a client only" in said


def test_without_output_the_file_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inject", "-f", str(BOOKINFO), "--image", "mesh:1", "--dataplane", "envoy"]) == 0
    services = yaml.safe_load(capsys.readouterr().out)["services"]
    command = services["details-v1-sidecar"]["command"]
    assert command[command.index("--dataplane") + 1] == "envoy"


def test_rules_to_watch_are_mounted_read_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inject", "-f", str(BOOKINFO), "--image", "mesh:1", "--config-dir", str(tmp_path)]) == 0
    istiod = yaml.safe_load(capsys.readouterr().out)["services"]["istiod"]
    assert f"{tmp_path}:/etc/mesh:ro" in istiod["volumes"]
    assert istiod["command"][-2:] == ["--config-dir", "/etc/mesh"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("services: {}", "mapping `services`"),
        ("services: [", "while parsing"),
        ("services: {a: {scale: 2}}", "scaled"),
    ],
)
def test_what_is_wrong_with_the_file_is_one_message_with_its_name(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    assert run(["inject", "-f", str(file), "--image", "mesh:1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"meshctl: {file}: ")
    assert complaint in said


def test_a_missing_file_and_a_wrong_engine_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inject", "-f", "/none.yaml"]) == 1
    assert run(["inject", "-f", str(BOOKINFO), "--dataplane", "nginx"]) == 2
    assert "expected one of python, envoy" in capsys.readouterr().err


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Bookinfo's details and client, and a gateway, injected by the command and up, with docker-compose at
    hand."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    try:
        with_engine = engine.connect()
        ensure_image(with_engine, lambda line: print(line, file=sys.stderr))
        with_engine.close()
    except (engine.EngineError, ImageError) as reason:
        pytest.skip(str(reason))
    whole = yaml.safe_load(BOOKINFO.read_text())
    part = {"services": {name: whole["services"][name] for name in ("details-v1", "client")}}
    part["services"]["ingress"] = yaml.safe_load(GATEWAY.read_text())["services"]["ingress"]
    folder = tmp_path_factory.mktemp("compose")
    plain, out = folder / "plain.yaml", folder / "mesh.yaml"
    plain.write_text(yaml.safe_dump(part))
    assert run(["inject", "-f", str(plain), "-o", str(out)]) == 0
    project = ["docker-compose", "-p", f"mesh-test-{secrets.token_hex(3)}", "-f", str(out)]

    def call(*words: str, text: str = "") -> str:
        done = subprocess.run(
            [*project, *words], input=text, capture_output=True, text=True, timeout=UP_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        call("up", "-d")
        yield call
    finally:
        call("down", "--volumes", "--timeout", "5")


@pytest.mark.docker
def test_the_flow_of_its_help_works_for_real(compose: Compose) -> None:
    def get(user: str) -> str:
        return compose(
            "exec", "-T", "client", "python", "-c", GET, "http://details:9080/details/0", user
        ).strip()

    assert get("anybody") == "200"
    assert get("nobody") == "200"
    assert "SYNCED" in compose("exec", "-T", "istiod", "meshctl", "ps")
    compose("exec", "-T", "istiod", "meshctl", "apply", "--wait", "-f", "-", text=RULES)
    assert get("anybody") == "200"
    assert get("nobody") == "418"
    assert "spiffe://cluster.local/ns/default/sa/bookinfo-client" in compose("logs", "details-v1")


@pytest.mark.docker
def test_a_token_is_seen_by_its_own_sidecar_only(compose: Compose) -> None:
    tokens = set()
    for name in ("details-v1", "client"):
        token = compose("exec", "-T", "--user", "1337", f"{name}-sidecar", "cat", "/run/secrets/mesh/token")
        tokens.add(token)
        assert (
            compose("exec", "-T", name, "sh", "-c", "ls /run/secrets 2>/dev/null || echo none").strip()
            == "none"
        )
    assert len(tokens) == 2


DOOR = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [books.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: books}
spec:
  hosts: [books.example]
  gateways: [istio-system/front]
  http: [{route: [{destination: {host: details}}]}]
"""
KNOCK = """\
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"host": "books.example"})
print(urllib.request.urlopen(request).status)
"""
READY = ("python", "-S", "-m", "mesh.platform.docker.probe", "http://127.0.0.1:15021/healthz/ready")


@pytest.mark.docker
def test_a_gateway_of_the_file_is_a_door_for_those_outside(compose: Compose) -> None:
    """Istiod's container has no sidecar: it is as good as any browser."""
    deadline = time.monotonic() + UP_TIMEOUT_S
    while "ingress-0.istio-system" not in compose("exec", "-T", "istiod", "meshctl", "ps"):
        assert time.monotonic() < deadline, compose("logs", "ingress-sidecar")
    compose("exec", "-T", "istiod", "meshctl", "apply", "--wait", "-f", "-", text=DOOR)
    compose("exec", "-T", "ingress-sidecar", *READY)
    url = "http://ingress/details/0"
    assert compose("exec", "-T", "istiod", "python", "-c", KNOCK, url).strip() == "200"
