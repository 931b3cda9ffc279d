"""How the nano base was made: its lessons, its tokenizer, its training. ``python -m recipes.nano.train``."""
