"""A command parses, calls one library function, prints."""
