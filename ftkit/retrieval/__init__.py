"""04_retrieval: articles, chunks, the index (vectors, BM25 and both), and whether the right passage is found."""
