"""What a user sets: one model per notebook, and the files and cells in which the values stand."""

from ftkit.params.files import build, load, nearest, notebook_cell, to_yaml
from ftkit.params.models import (
    ENDPOINT_PRICES,
    MODELS,
    PRICE_DATE,
    DataParameters,
    DecisionParameters,
    DeploymentParameters,
    EndpointParameters,
    EvaluationParameters,
    ModelParameters,
    MonitoringParameters,
    Parameters,
    PreferenceParameters,
    PromptingParameters,
    RetrievalParameters,
    TaskParameters,
    TrainingParameters,
)  # fmt: skip

__all__ = [
    "ENDPOINT_PRICES", "MODELS", "PRICE_DATE", "DataParameters", "DecisionParameters", "DeploymentParameters", "EndpointParameters", "EvaluationParameters", "ModelParameters",
    "MonitoringParameters", "Parameters", "PreferenceParameters", "PromptingParameters", "RetrievalParameters", "TaskParameters", "TrainingParameters",
    "build", "load", "nearest", "notebook_cell", "to_yaml",
]  # fmt: skip
