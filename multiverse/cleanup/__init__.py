"""Cleaning: what can go from a results folder and from this machine, and its removal.

May import specs, registry, plan, images, runs, engines, runner and exclusive.
"""
