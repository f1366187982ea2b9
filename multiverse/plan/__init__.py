"""Benchmark × registry → jobs. Pure: no I/O besides reading specs.

May import specs and registry.
"""
