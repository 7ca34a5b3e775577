"""Checks what a step itself claims: its arithmetic and its identities."""
