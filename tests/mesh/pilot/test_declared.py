from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.model.node import ServicePort
from mesh.pilot.declared import declared_services
from mesh.pilot.services import DeclaredService

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: reviews, labels: {app: reviews}}
spec:
  clusterIP: 10.0.0.7
  selector: {app: reviews}
  ports:
  - {port: 9080, name: http}
  - {port: 80, name: web, targetPort: http, appProtocol: http}
  - {port: 3306, name: mysql, targetPort: 33060}
  - {port: 53, name: dns, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: other}
spec: {clusterIP: None, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: example.com}
"""


def test_service_objects_become_declarations(config: Callable[[str], Any]) -> None:
    assert declared_services(config(SERVICES).services) == (
        DeclaredService(
            "reviews",
            "default",
            (
                ServicePort("http", 9080, 9080),
                ServicePort("web", 80, 80),
                ServicePort("mysql", 3306, 33060, "TCP"),
            ),
            (9080, "http", 33060),
            (("app", "reviews"),),
            ("10.0.0.7",),
        ),
        DeclaredService("headless", "other", (ServicePort("", 80, 80, "AUTO"),), (80,)),
    )
