"""Training and measuring the head that tells the shape of a request from its words."""
