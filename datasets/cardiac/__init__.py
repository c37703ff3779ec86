"""Parts of the synthetic cardiac cohort: people, outcome, electrocardiogram, cine volume. Never clinical evidence."""
