"""Who may read what, and why: listings, evaluations, reviews, explanations."""
