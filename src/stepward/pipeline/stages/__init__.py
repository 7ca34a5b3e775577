"""The stages of recipes: one a file, each a frozen dataclass with one method."""
