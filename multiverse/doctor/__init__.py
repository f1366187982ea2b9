"""Checks whether this machine can run jobs: findings, each with what was seen and what to do.

May import specs, registry, images and engines.
"""
