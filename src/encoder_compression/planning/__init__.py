"""The jobs of a dry run, and what they would cost."""
