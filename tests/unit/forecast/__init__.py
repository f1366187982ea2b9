"""Tests of multiverse.forecast."""
