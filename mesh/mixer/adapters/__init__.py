"""What mixer can do with finished requests; a new adapter is a file here and a line in ``table.py``.

base         the protocol of an adapter, and what its factory gets
prometheus   Istio's standard metrics, for a scrape of the whole mesh in one place
jsonlines    every request as a line of JSON, rotated by size
table        ADAPTERS: the name of each, and its factory
"""
