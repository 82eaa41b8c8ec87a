"""Users and groups from an identity provider, over SCIM 2.0."""
