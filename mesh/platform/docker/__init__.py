"""The mesh on a Docker engine.

engine          whether it answers; how a run's things are marked, found and removed
base_image      an image with Python: given, found, pulled or made
wheelhouse      the project's dependencies as wheels, fetched on the host
image           mesh-labs:<content hash>, built from both
interception    iptables rules, from Istio's annotations (pure)
pod             the containers of a pod and of the control plane, in compose's words (pure)
sdk             the same as arguments of the Docker SDK (pure)
files           files into and out of containers
inject          a compose document with sidecars (pure)
compose_file    compose files as text (pure)

Run inside containers:

identities      hands each service account its token
sidecar         sets the rules, drops to uid 1337, becomes the sidecar
probe           health check
"""
