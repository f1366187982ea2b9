"""Comparison of two results folders: what changed, and whether it matters.

May import contract, runs and report.
"""
