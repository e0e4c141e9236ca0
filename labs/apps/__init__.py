"""The demo services: ordinary web applications that know nothing of the mesh.

    serving      what they share: settings from the environment, the request log, start and stop
    upstream     the HTTP client they call each other with, and the headers they pass on
    productpage  the front page: calls details and reviews
    details      facts about a book
    reviews      v1 without stars, v2 with black stars, v3 with red ones; v2 and v3 call ratings
    ratings      the stars
    echo         answers what it was asked, and delays or fails on request (Istio's echo knobs)
    tcp_echo     answers lines over TCP, and speaks first on request (Istio's tcp-echo)
    vault        ends TLS itself

Names, ports, paths and JSON shapes are those of Istio's bookinfo sample.
Each runs as ``python -m labs.apps.<name>``.
"""
