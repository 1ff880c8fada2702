"""Postgres: connections, migrations, roles, and the tables read into arrays."""
