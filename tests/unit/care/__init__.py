"""Tests of multiverse.care."""
