"""One cell: plan, compute, run, store, rows, MLflow mirror."""
