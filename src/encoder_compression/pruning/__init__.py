"""Importance scores, masks, structures and their budget, least-squares reconstruction."""
