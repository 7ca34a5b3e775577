"""Reward models: formats as data, token-space encoding, heads, checkpoints, and the engines that score steps."""
