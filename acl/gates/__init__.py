"""What administrators demand of a policy before it takes effect."""
