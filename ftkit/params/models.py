"""One pydantic model per notebook, by its stage; field names are the papermill parameter names."""

from __future__ import annotations

from ftkit.params.base import Parameters
from ftkit.params.data import DataParameters
from ftkit.params.decision import DecisionParameters
from ftkit.params.deployment import DeploymentParameters
from ftkit.params.evaluation import EvaluationParameters
from ftkit.params.monitoring import MonitoringParameters
from ftkit.params.preference import PreferenceParameters
from ftkit.params.prompting import PromptingParameters
from ftkit.params.retrieval import RetrievalParameters
from ftkit.params.task import TaskParameters
from ftkit.params.training import TrainingParameters

MODELS: dict[str, type[Parameters]] = {
    "task": TaskParameters,
    "data": DataParameters,
    "prompting": PromptingParameters,
    "retrieval": RetrievalParameters,
    "training": TrainingParameters,
    "preference": PreferenceParameters,
    "evaluation": EvaluationParameters,
    "decision": DecisionParameters,
    "deployment": DeploymentParameters,
    "monitoring": MonitoringParameters,
}
