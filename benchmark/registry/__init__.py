"""What exists and how it is spelled: entries, discovery, spelling."""
