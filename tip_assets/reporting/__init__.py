"""Messages about runs: the facts of a run, what it reports, and the outbox that delivers it."""
