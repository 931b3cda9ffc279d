"""10_monitoring: has production drifted since the test, and is it time to re-tune?"""

from ftkit.monitoring.advise import advise, learned
from ftkit.monitoring.drift import Drift, Signal, weekly
from ftkit.monitoring.examples import new_words, newest
from ftkit.monitoring.labels import COLUMNS, RANDOM, label_sample, labelled, read_labels, safe, sample_path
from ftkit.monitoring.logs import Log, open_log
from ftkit.monitoring.signals import signals_of

__all__ = [
    "COLUMNS", "RANDOM", "Drift", "Log", "Signal", "advise", "label_sample", "labelled", "learned", "new_words", "newest", "open_log", "read_labels", "safe", "sample_path", "signals_of", "weekly",
]  # fmt: skip
