"""What to do, computed from what is there: pure functions, no input or output."""
