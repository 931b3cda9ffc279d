"""What a user sets: one model per notebook, and the files and cells in which the values stand."""
