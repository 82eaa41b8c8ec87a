"""Documents in, labelled points out."""
