"""Under what a request is decided: the pinned policy, who asks, and whether it still stands."""
