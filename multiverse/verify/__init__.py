"""Verification of a results folder: every published file against its recorded checksum.

May import contract, plan and runs.
"""
