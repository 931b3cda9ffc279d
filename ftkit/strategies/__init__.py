"""03 and the grid: model × prompt × retriever; prompts and the search for them; answers."""
