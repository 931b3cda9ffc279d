"""Prompts as files: each instruction tried stands in one by its hash, and a team's own prompt may come from one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import PromptBook
from ftkit.core.run_folder import write_text

ENDINGS = (".md", ".txt")


def own_text(value: str) -> str:
    """Return the text of ``prompting.own_prompt``: as given, or what stands in the file that it names.

    Raises:
        BadInput: It names a file that is not there, or is no text.
    """
    if "\n" in value.strip() or not value.strip().lower().endswith(ENDINGS):
        return value
    path, where = Path(value.strip()), "prompting.own_prompt"
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no UTF-8 text", where=where, todo="save it as UTF-8") from error
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}",
            where=where,
            todo="check the path, or write the prompt itself there",
        ) from error


def write_prompts(folder: Path, book: PromptBook) -> list[str]:
    """Write every instruction that was tried, word for word, as ``NAME-HASH.md``; what stood there before is replaced.

    A file can be kept under version control, changed, and given back as ``prompting.own_prompt``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    written: dict[str, str] = {}
    for trial in [*book.trials, *book.endpoint_trials]:
        prompt = trial.prompt
        if prompt.system not in written:
            name = f"{re.sub(r'[^a-z0-9]+', '-', prompt.name.lower()).strip('-') or 'prompt'}-{prompt.sha256[:8]}.md"
            write_text(folder / name, prompt.system)
            written[prompt.system] = name
    return sorted(written.values())
