"""Hostile folders: every command on every file of a results folder, with a stranger's thing in it."""
