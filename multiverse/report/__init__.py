"""Runs and scores → tables, figures, one page, a research object, a comparison of two folders.

Reads a results folder and nothing else but the models' citations. May import contract, specs,
registry and runs.
"""
