"""Tests of multiverse.cleanup."""
