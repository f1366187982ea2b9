"""Tests of multiverse.verify."""
