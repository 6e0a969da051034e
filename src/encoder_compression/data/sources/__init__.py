"""Encoders and tables from packages, the hub and local files."""
