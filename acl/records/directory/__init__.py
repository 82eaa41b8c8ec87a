"""Users and groups of record, as an identity provider sends them."""
