"""Parts of the synthetic stroke cohort: brain, infarcts, scans, admission variables, outcome. Never clinical evidence."""
