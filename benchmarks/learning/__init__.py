"""Does one rating per session make the choice better? A replay of recorded outcomes."""
