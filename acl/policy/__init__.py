"""A policy: read, checked, compiled to conditions over labels, changed within bounds."""
