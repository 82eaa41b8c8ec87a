"""Changes of the policy: proposals, previews, the gate before a revision takes effect."""
