"""Whether the models are right on real data, and stay so: runs through multiverse itself."""
