"""Landing files: reading and validating them, feedback, simulated months."""
