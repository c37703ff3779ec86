"""Parts of the synthetic findings cohort: people, scans, words of the reports, wrong reports. Never clinical evidence."""
