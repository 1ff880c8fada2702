"""Training by Spark MLlib, an optional extra: nothing here is imported before an engine asks for it."""
