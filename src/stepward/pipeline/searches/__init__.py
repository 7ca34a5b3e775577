"""Searches side by side: their answers judged, and the page that compares them."""
