"""Where datasets and models live; registration makes a dataset canonical. May import specs."""
