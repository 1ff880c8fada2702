"""Addresses in, local files out: a path, a web server, a bucket, an archive; each read whole before it is trusted."""
