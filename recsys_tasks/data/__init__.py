"""Files in, rows accounted for: CSV sources, migrations and Postgres."""
