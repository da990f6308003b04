"""Score pairs of modalities that were never trained together."""
