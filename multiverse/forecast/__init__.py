"""Expected duration and memory of jobs, from what past runs took.

May import contract, specs, plan and runs.
"""
