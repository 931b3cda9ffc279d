"""What the data check finds of what is known to be wrong."""
