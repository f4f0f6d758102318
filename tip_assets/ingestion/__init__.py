"""What has landed: reading files, keeping or refusing their rows, feedback, simulated months."""
