"""Every speed that a document claims, printed by a command, beside a peer or a bound."""
