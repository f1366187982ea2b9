"""A results folder as a research object: ``ro-crate-metadata.json``."""
