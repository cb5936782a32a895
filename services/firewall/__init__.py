"""The prompt scanner over HTTP, and the deep scan of transcripts off the hot path."""
