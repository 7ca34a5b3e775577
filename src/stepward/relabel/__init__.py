"""Other labels from the labels that are there: one technique a file, nobody is asked anew."""
