"""A world with known truth: word problems whose every step can be checked exactly."""
