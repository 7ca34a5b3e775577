"""What a reward model minimises: one objective a file."""
