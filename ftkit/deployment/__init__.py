"""09_deployment: what ships, files for serving platforms, and whether it still answers as what was tested."""

from ftkit.deployment import releases
from ftkit.deployment.export import copied, merged, rows_of, size_mib, verify, write
from ftkit.deployment.gguf import NAME, converter, weights_of, write_gguf
from ftkit.deployment.gguf import rows as gguf_rows
from ftkit.deployment.parity import COLUMNS, compare
from ftkit.deployment.platforms import Limits, checked, files, modelfile, plain_template
from ftkit.deployment.tell import learned, own_or_provider, parity_rows

__all__ = [
    "COLUMNS", "NAME", "Limits", "checked", "compare", "converter", "copied", "files", "gguf_rows", "learned", "merged", "modelfile",
    "own_or_provider", "parity_rows", "plain_template", "releases", "rows_of", "size_mib", "verify", "weights_of", "write", "write_gguf",
]  # fmt: skip
