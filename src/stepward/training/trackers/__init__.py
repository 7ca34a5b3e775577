"""Where a training's numbers go besides metrics.jsonl: one tracker a file, its library loaded when it is opened."""
