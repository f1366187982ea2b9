"""Schedules jobs on an engine: start, watch, check, publish, cancel.

May import plan, runs and engines.
"""
