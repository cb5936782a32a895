"""Owner of routing policy and of its audit."""
