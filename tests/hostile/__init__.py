"""Hostile folders: every command on every file of a results folder, whatever stands there."""
