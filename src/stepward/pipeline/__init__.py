"""Recipes as stages over a run folder: each reads what earlier ones made, and can be killed and resumed."""
