"""Where workloads come from.

topology   a compose file's workloads, as frozen dataclasses
docker     containers: the image, interception by iptables, sidecars for compose files
"""
