"""From text to vectors: passages, and the verified model that encodes them."""
