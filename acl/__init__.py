"""What may be seen, and why: labels, policies, and the compiler from one to a filter."""
