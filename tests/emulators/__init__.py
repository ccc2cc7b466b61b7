"""What the emulated clouds of the backends' tests have in common."""
