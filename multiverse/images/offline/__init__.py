"""Images on machines without the public internet: Debian packages, pip settings, local wheels."""
