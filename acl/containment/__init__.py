"""Does every label that satisfies one condition satisfy another? Decided exactly."""
