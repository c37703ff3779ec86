"""Parts of the synthetic risk cohort: brain, people, visit, vessel signs, scans, outcome. Never clinical evidence."""
