"""Long jobs: units of work, by one process or several, each kept exactly once."""
