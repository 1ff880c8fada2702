"""The DAGs, a module each: ``make(scope)`` gives the DAG of one data set, or of any that a run names."""
