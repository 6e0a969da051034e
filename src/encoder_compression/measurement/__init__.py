"""Raw timings, memory and predictions of an artifact on a device, in processes of their own."""
