"""Compress transformer encoders and measure, honestly, what it costs and brings."""
