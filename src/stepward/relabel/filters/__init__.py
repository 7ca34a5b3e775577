"""Leave labels out: one reason a file. What is left out becomes None and keeps its place."""
