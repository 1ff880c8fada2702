"""What a version is: keys, manifest, files and their checks. Nothing here trains or publishes."""
