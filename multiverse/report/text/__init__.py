"""Text for a paper: methods, references, BibTeX, and the command that repeats a benchmark."""
