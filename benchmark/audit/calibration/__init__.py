"""Whether the suite's statistics hold: simulated worlds whose truth is known, run through the suite's own code."""
