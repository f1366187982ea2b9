"""Tests of multiverse.doctor."""
