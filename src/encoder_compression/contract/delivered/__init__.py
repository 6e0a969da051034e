"""The files of a delivery as they are copied: they stand alone, so that nothing here imports this package."""
