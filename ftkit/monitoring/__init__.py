"""10_monitoring: has production drifted since the test, and is it time to re-tune?"""

from ftkit.monitoring.advise import advise, learned
from ftkit.monitoring.drift import Drift, Signal, weekly
from ftkit.monitoring.examples import new_words, newest
from ftkit.monitoring.labels import label_sample, read_labels
from ftkit.monitoring.logs import Log, open_log
from ftkit.monitoring.signals import signals_of

__all__ = [
    "Drift", "Log", "Signal", "advise", "label_sample", "learned", "new_words", "newest", "open_log", "read_labels", "signals_of", "weekly",
]  # fmt: skip
