"""One labelling of several: one rule a file."""
