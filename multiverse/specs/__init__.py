"""YAML and JSON files → frozen objects, parsed and validated once, at the edge.

Dataset record, model, benchmark. May import ``contract`` and ``errors``.
"""
