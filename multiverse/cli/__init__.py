"""A command parses, calls one function of the api, prints what it returns.

May import ``api``, the ground floor, and what rooms export in their ``__init__``, each when its
command runs: ``multiverse --help`` loads none of them.
"""
