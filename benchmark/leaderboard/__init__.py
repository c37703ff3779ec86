"""The leaderboard: from stored rows to tables (`standings`), and from tables to Markdown and JSON."""
