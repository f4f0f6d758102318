"""What starts runs and in which order: jobs, schedule, sensors."""
