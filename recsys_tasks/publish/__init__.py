"""Files of an accepted model in, a verified version and the champion pointer out."""
