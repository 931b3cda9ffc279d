"""04_retrieval: articles, chunks, the index (vectors, BM25 and both), and whether the right passage is found."""

from ftkit.retrieval.handbook import Article, chunks, read_handbook
from ftkit.retrieval.index import MODES, Index, Searcher
from ftkit.retrieval.quality import best_mode, hit_rates, relevant

__all__ = ["MODES", "Article", "Index", "Searcher", "best_mode", "chunks", "hit_rates", "read_handbook", "relevant"]
