"""From problem and steps to token ids, and where scores are read."""
