"""07_evaluation: scores, intervals, paired comparisons, regression, and the log of looks at the test set."""

from ftkit.evaluation.browse import browse
from ftkit.evaluation.compare import compare, effects, groups_of, pivot
from ftkit.evaluation.conclude import conclude, learned, notes
from ftkit.evaluation.harness import with_tasks
from ftkit.evaluation.items import cluster_of
from ftkit.evaluation.judge import corrected
from ftkit.evaluation.keep import answer_all, kept, key
from ftkit.evaluation.luck import with_differences, with_seeds
from ftkit.evaluation.openings import looks, open_test, openings
from ftkit.evaluation.probe import (
    NOT_MEASURED,
    by_skill,
    general_accuracy,
    general_questions,
    is_right,
    probe,
    probe_models,
    regression,
)
from ftkit.evaluation.risk_coverage import selective
from ftkit.evaluation.scoring import against, score, score_texts, shares
from ftkit.evaluation.summary import macro_f1, summarise

__all__ = [
    "NOT_MEASURED",
    "against",
    "answer_all",
    "browse",
    "by_skill",
    "cluster_of",
    "compare",
    "conclude",
    "corrected",
    "effects",
    "general_accuracy",
    "general_questions",
    "groups_of",
    "is_right",
    "kept",
    "key",
    "learned",
    "looks",
    "macro_f1",
    "notes",
    "open_test",
    "openings",
    "pivot",
    "probe",
    "probe_models",
    "regression",
    "score",
    "score_texts",
    "selective",
    "shares",
    "summarise",
    "with_differences",
    "with_seeds",
    "with_tasks",
]  # fmt: skip
