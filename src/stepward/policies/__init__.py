"""Who writes: local models, scripted fakes, and the wrappers around them."""
