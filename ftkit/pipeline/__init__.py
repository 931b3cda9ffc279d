"""The walk, headless: check everything, then run each notebook whose inputs, parameters or code changed."""

from ftkit.pipeline.compare import Compared, compare, lines
from ftkit.pipeline.figures import key_figure
from ftkit.pipeline.folds import pool, run_folds
from ftkit.pipeline.hyperparameters import Searched, search
from ftkit.pipeline.kernel import QUIET, notebook, notebooks_folder, prepare_all, prepare_notebook
from ftkit.pipeline.listing import Listed, listing, remove
from ftkit.pipeline.preflight import preflight
from ftkit.pipeline.promote import promote, store_of
from ftkit.pipeline.retune import Round, retune
from ftkit.pipeline.side_by_side import write_comparison
from ftkit.pipeline.sweep import Arm, arms, rows, sweep
from ftkit.pipeline.walk import Outcome, Selection, Step, execute, outlook, plan, run, values_of

__all__ = [
    "QUIET", "Arm", "Compared", "Listed", "Outcome", "Round", "Searched", "Selection", "Step", "arms", "compare", "execute", "key_figure", "lines", "listing", "notebook", "notebooks_folder", "outlook", "plan", "pool", "preflight", "prepare_all", "prepare_notebook", "promote", "remove", "retune", "rows", "run", "run_folds", "search", "store_of", "sweep", "values_of", "write_comparison",
]  # fmt: skip
