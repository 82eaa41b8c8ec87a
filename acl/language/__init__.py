"""The policy language: what a model and its rules may say, and how Casbin reads them."""
