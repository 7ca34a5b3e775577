"""Every token is paid for once: packed forests, attention over them, and what a search remembers."""
