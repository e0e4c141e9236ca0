"""Where workloads come from.

docker   containers: the image, interception by iptables, sidecars for compose files
"""
