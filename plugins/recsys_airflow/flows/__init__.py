"""The DAGs, a module each: ``make(scope)`` gives the DAG of one dataset, or of any that a run names."""
