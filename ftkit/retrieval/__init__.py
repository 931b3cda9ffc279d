"""04_retrieval: articles, chunks, the index (vectors, BM25 and both), and whether the right passage is found."""

from ftkit.retrieval.handbook import Article, chunks, open_handbook, read_handbook
from ftkit.retrieval.index import MODES, Index, Searcher
from ftkit.retrieval.quality import (
    answer_rows,
    best_mode,
    compare_sizes,
    found_rows,
    hit_rates,
    learned,
    measure,
    questions,
    relevant,
    with_prompts,
    with_right_article,
)
from ftkit.retrieval.written import rows as written_rows
from ftkit.retrieval.written import write as write_questions

__all__ = [
    "MODES", "Article", "Index", "Searcher", "answer_rows", "best_mode", "chunks", "compare_sizes", "found_rows", "hit_rates", "learned",
    "measure", "open_handbook", "questions", "read_handbook", "relevant", "with_prompts", "with_right_article",
    "write_questions", "written_rows",
]  # fmt: skip
