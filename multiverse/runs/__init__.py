"""The results folder: the one place that names every file of a run, publishes and lists runs.

May import contract, specs and exclusive.
"""
