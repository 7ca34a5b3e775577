"""How compute is spent on one problem: one technique a file, and the moves that they share."""
