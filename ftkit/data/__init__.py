"""02_data: reading, cleaning, duplicates, leakage and the frozen split."""

from ftkit.data import review
from ftkit.data.card import data_card, learned, schema
from ftkit.data.clean import clean
from ftkit.data.curated import Curated, curate, doubts, load
from ftkit.data.near import clusters_of
from ftkit.data.personal import mask
from ftkit.data.read import Table, read
from ftkit.data.show import defects, files, preview
from ftkit.data.split import leaks, split

__all__ = [
    "Curated",
    "Table",
    "clean",
    "clusters_of",
    "curate",
    "data_card",
    "defects",
    "doubts",
    "files",
    "leaks",
    "learned",
    "load",
    "mask",
    "preview",
    "read",
    "review",
    "schema",
    "split",
]  # fmt: skip
