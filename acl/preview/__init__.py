"""Who would gain and who would lose what, before a policy takes effect."""
