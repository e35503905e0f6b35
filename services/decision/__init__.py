"""One strategy on one event: every signal becomes a decision with its reason, some of them an intent."""
