"""Drive two exec-servers through the same cases and compare what they answer and leave on disk."""
