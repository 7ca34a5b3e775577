"""What is kept on disk: run folders, append-only records, bulk tables and a cache."""
