"""How far to trust a bank and its scales: what can be checked, and what can be fitted on known pairs."""
