"""Commands about who asks: people, tokens, credentials of provisioners."""
