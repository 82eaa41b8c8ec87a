"""Proves a compiled policy equal to Casbin on labels that exist and labels that could exist."""
