"""One pydantic model per notebook, by its stage; field names are the papermill parameter names."""

from __future__ import annotations

from ftkit.core.parameters.base import Parameters
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.monitoring import MonitoringParameters
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.parameters.task import TaskParameters
from ftkit.core.parameters.training import TrainingParameters

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
