"""A model that attacks whoever runs it, for tests. It uses no SDK."""
