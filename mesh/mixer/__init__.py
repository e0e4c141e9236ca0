"""Mixer: telemetry from every sidecar, of either engine, handed to adapters.

access_log_service   Envoy's ALS: streams of finished requests come in
dispatcher           a thread and a bounded queue for each adapter
adapters/            what is done with them: Prometheus metrics, JSON lines
mixer                the whole, as the control plane uses it
"""
