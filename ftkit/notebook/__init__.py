"""What a notebook shows and asks: its start, forms, review queue, progress, and the start page."""
