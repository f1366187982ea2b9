"""A command parses, calls one library function, prints.

May import every room, each when its command runs: ``multiverse --help`` loads none of them.
"""
