"""Training of reward models: examples, objectives, cached features, and the loop."""
