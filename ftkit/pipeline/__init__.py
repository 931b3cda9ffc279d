"""The walk, headless: check everything, then run each notebook whose inputs, parameters or code changed."""

from ftkit.pipeline.compare import Compared, compare, lines
from ftkit.pipeline.figures import key_figure
from ftkit.pipeline.kernel import QUIET, notebook, notebooks_folder, prepare_notebook
from ftkit.pipeline.preflight import preflight
from ftkit.pipeline.walk import Outcome, Selection, Step, execute, plan, run, values_of

__all__ = [
    "QUIET", "Compared", "Outcome", "Selection", "Step", "compare", "execute", "key_figure", "lines", "notebook", "notebooks_folder", "plan", "preflight", "prepare_notebook", "run", "values_of",
]  # fmt: skip
