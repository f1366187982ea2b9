"""Two datasets made without any download: real RNA counts and a seeded simulation.

May import errors.
"""
