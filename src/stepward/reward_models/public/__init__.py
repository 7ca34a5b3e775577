"""Published checkpoints, opened natively: heads, adapters, two-model and two-pass scorers."""
