"""The techniques: a module per technique, each with the function that its rule calls."""
