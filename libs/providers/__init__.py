"""Model catalogue, prices, and the dialects of upstream providers."""
