"""Where configuration comes from.

directory   watched directories of YAML files
api         objects applied over the API, kept on disk
"""
