"""02_data: reading, cleaning, duplicates, leakage and the frozen split."""

from ftkit.data.card import Curated, curate, data_card, load
from ftkit.data.clean import clean, mask
from ftkit.data.near import clusters_of
from ftkit.data.read import Table, read
from ftkit.data.split import leaks, split

__all__ = ["Curated", "Table", "clean", "clusters_of", "curate", "data_card", "leaks", "load", "mask", "read", "split"]
