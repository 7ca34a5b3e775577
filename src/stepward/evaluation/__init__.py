"""How good labels and scorers are, measured against a reference."""
