"""Text into steps: lossless, deterministic, prefix-stable, versioned. `docs/segmenters.md` says which suits what."""
