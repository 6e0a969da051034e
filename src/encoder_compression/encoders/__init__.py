"""Encoders: what their files say, where an architecture keeps its layers, loading and saving."""
