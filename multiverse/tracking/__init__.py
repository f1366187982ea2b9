"""Copies finished runs and their scores to MLflow. The results folder stays the truth.

May import contract and runs. MLflow is an extra: it is imported by the client alone.
"""
