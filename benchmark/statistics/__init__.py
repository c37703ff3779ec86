"""Statistics of the leaderboard: one file for each family of tests; `comparison.compare` is the way in."""
