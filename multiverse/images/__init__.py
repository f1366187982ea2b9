"""How a model's image is built and its locked environment made.

May import contract, specs and exclusive. ``build`` makes images through a Docker command-line
client with BuildKit; ``environment`` makes the locked environment of the embedded engine with uv.
Both take the SDK from ``sdk``, so that a container and an environment run the same files.
"""
