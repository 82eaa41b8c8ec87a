"""What Casbin would swallow in silence, refused or warned of before a policy takes effect."""
