"""What the project claims about time, memory and alarms, measured: `make bench`."""
