"""Searches for words that lift a wrong solution: the attack that bounds what a blind draw does not."""
