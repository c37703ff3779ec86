"""From source files to cohorts, splits and features."""
