"""Everything two services agree on: events, topics, Redis keys and values, HTTP names."""
