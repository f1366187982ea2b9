"""Tests of multiverse.compare."""
