"""Messages about runs: the facts of a run, its messages, and the outbox that delivers them."""
