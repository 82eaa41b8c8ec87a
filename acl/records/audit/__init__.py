"""The audit chain: what was released, refused and changed, in an order that cannot be edited."""
