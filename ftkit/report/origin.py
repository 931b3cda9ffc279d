"""The sections on where figures come from, and how to make them again."""

from __future__ import annotations

from typing import Any

from ftkit.core import run_folder
from ftkit.models.endpoint import bill
from ftkit.report.blocks import Section, code, data_text, more, number, table, text
from ftkit.report.run_contents import RunContents

WORDS = {
    "measured": "Measured in this run",
    "given": "Given by you",
    "assumed": "Assumed: check before you rely on it",
}


def origin(found: RunContents) -> Section:
    """What was measured, given and assumed."""
    section = Section("origin", "Measured, given, assumed", "Which figures are whose?")
    prices = found.decision.prices if found.decision else []
    section.missing = "" if prices else found.missing.get("decision", "")
    for kind, words in WORDS.items():
        rows = [
            {
                "figure": p.name.replace("_", " "),
                "value": number(p.value),
                "unit": p.unit,
                "source": p.source or "–",
            }
            for p in prices
            if p.origin == kind
        ]
        section.blocks += table(rows, f"{words} ({len(rows)})")
    section.blocks += table(_paid(found), "Paid to endpoints in this run, by stage and model")
    return section


def _paid(found: RunContents) -> list[dict[str, Any]]:
    """Return what endpoints were paid, tokens by kind; empty where none was asked."""
    places = [(stage, b) for stage, m in found.manifests.items() for b in m.bills]
    names = [run_folder.stage_name(stage) for stage, _ in places] + ["all"]
    told = bill.rows([b for _, b in places])
    return [
        {"notebook": name}
        | {k: data_text(v) if k in ("model", "at") else v for k, v in row.items()}
        for name, row in zip(names, told, strict=False)
    ]


def reproduce(found: RunContents, command: str) -> Section:
    """Command, versions, seeds, hashes."""
    section = Section("reproduce", "How to make it again", "With what, when, and from which files?")
    commits = sorted({m.git_commit for m in found.manifests.values() if m.git_commit})
    seconds = sum(m.duration_s for m in found.manifests.values())
    peak = max(m.peak_memory_gib for m in found.manifests.values())
    section.blocks = [
        code(command, "The same seeds, files and versions give the same decision"),
        text(
            f"All notebooks together: {seconds / 60:.1f} minutes, at most {peak:.2f} GiB of memory. Code: {', '.join(c[:12] for c in commits) or 'not from a git checkout'}."
        ),
        *table([_stage(found, s) for s in found.manifests], "Notebooks"),
        *table(_versions(found), "Versions"),
        *more("All parameters", [code(parameters(found))]),
        *more("Hashes of inputs and outputs (SHA-256)", table(_hashes(found), limit=400)),
    ]
    return section


def _stage(found: RunContents, stage: str) -> dict[str, Any]:
    m = found.manifests[stage]
    return {
        "notebook": run_folder.stage_name(stage),
        "started (UTC)": m.started,
        "seconds": round(m.duration_s, 1),
        "memory, GiB": round(m.peak_memory_gib, 2),
        "device": m.device,
        "seed": m.seed,
        "code": data_text(f"{len(m.code)} files"),
    }


def _versions(found: RunContents) -> list[dict[str, Any]]:
    named = {
        (name, version) for m in found.manifests.values() for name, version in m.versions.items()
    }
    return [
        {"package": data_text(name), "version": data_text(version)}
        for name, version in sorted(named)
    ]


def parameters(found: RunContents) -> str:
    """Return all parameters as a parameter file that can be run again."""
    import yaml

    sections = {stage: m.parameters for stage, m in found.manifests.items()}
    return data_text(
        yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=100), 20_000
    )


def _hashes(found: RunContents) -> list[dict[str, Any]]:
    rows = []
    for stage, m in found.manifests.items():
        rows += [
            {"notebook": run_folder.stage_name(stage), "file": f"reads {name}", "SHA-256": digest}
            for name, digest in m.inputs.items()
        ]
        rows += [
            {"notebook": run_folder.stage_name(stage), "file": f"wrote {name}", "SHA-256": digest}
            for name, digest in m.outputs.items()
        ]
    return rows
