"""Readers and writers of public formats, one small file each; splits and contamination checks."""
