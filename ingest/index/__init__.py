"""The vector engines behind one interface."""
