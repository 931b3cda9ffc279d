"""The pydantic records that travel between notebooks as files, a module per stage.

Every record forbids unknown fields and carries a schema version. Shares are in 0..1, times in seconds (``_s``),
memory in GiB (``_gib``), money in US dollars (``_usd``).
"""

from ftkit.records.base import Estimate, Origin, Record
from ftkit.records.data import EXAMPLE_COLUMNS, Agreement, Coverage, DataCard, Defect, LabelCheck
from ftkit.records.decision import Claim, Decision, Foresight, Gate, Price, StrategyCost, Swing
from ftkit.records.deployment import Bundle, DeploymentCard, GgufFile, LoadPoint, Move, Parity, Release, Releases, ServingFile
from ftkit.records.evaluation import (
    SCORE_COLUMNS,
    AttackArm,
    Comparison,
    Confusion,
    CoveragePoint,
    Edition,
    EditionArm,
    Effect,
    Evaluation,
    JudgeCheck,
    ReliabilityPoint,
    Selective,
    Slice,
    StrategyResult,
)
from ftkit.records.manifest import Manifest
from ftkit.records.monitoring import MonitoringCard, Verdict10, WatchedSignal
from ftkit.records.prompting import Prompt, PromptBook, PromptTrial, ResponseFormat
from ftkit.records.retrieval import Passage, RetrievalCard, Triage
from ftkit.records.strategy import ANSWER_COLUMNS, StrategySpec, answers_of
from ftkit.records.task import Check, Reason, Suitability, TaskCard, TaskKind
from ftkit.records.training import (
    RL,
    CurvePoint,
    LearningCurve,
    PreferenceCard,
    PreferencePoint,
    StrengthTrial,
    TrainingCard,
    TrainPoint,
)

__all__ = [
    "ANSWER_COLUMNS",
    "EXAMPLE_COLUMNS",
    "RL",
    "SCORE_COLUMNS",
    "Agreement",
    "AttackArm",
    "Bundle",
    "Check",
    "Claim",
    "Comparison",
    "Confusion",
    "Coverage",
    "CoveragePoint",
    "CurvePoint",
    "DataCard",
    "Decision",
    "Defect",
    "DeploymentCard",
    "Edition",
    "EditionArm",
    "Effect",
    "Estimate",
    "Evaluation",
    "Foresight",
    "Gate",
    "GgufFile",
    "JudgeCheck",
    "LabelCheck",
    "LearningCurve",
    "LoadPoint",
    "Manifest",
    "MonitoringCard",
    "Move",
    "Origin",
    "Parity",
    "Passage",
    "PreferenceCard",
    "PreferencePoint",
    "Price",
    "Prompt",
    "PromptBook",
    "PromptTrial",
    "Reason",
    "Record",
    "Release",
    "Releases",
    "ReliabilityPoint",
    "ResponseFormat",
    "RetrievalCard",
    "Selective",
    "ServingFile",
    "Slice",
    "StrategyCost",
    "StrategyResult",
    "StrategySpec",
    "StrengthTrial",
    "Suitability",
    "Swing",
    "TaskCard",
    "TaskKind",
    "TrainPoint",
    "TrainingCard",
    "Triage",
    "Verdict10",
    "WatchedSignal",
    "answers_of",
]
