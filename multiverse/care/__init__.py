"""Care of a results folder and of what jobs leave on a machine: verify it, clean it.

May import contract, specs, registry, plan, images, runs, engines and runner.
"""
