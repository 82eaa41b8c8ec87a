"""The composition root: settings, wiring, routes and the command line."""
