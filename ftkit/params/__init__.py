"""What a user sets: one model per notebook, and the files and cells in which the values stand."""

from ftkit.params.base import ENDPOINT_PRICES, PRICE_DATE, EndpointParameters, ModelParameters, Parameters
from ftkit.params.data import DataParameters
from ftkit.params.decision import DecisionParameters
from ftkit.params.deployment import DeploymentParameters
from ftkit.params.evaluation import EvaluationParameters
from ftkit.params.files import build, load, nearest, notebook_cell, to_yaml
from ftkit.params.models import MODELS
from ftkit.params.monitoring import MonitoringParameters
from ftkit.params.preference import PreferenceParameters
from ftkit.params.prompting import PromptingParameters
from ftkit.params.retrieval import RetrievalParameters
from ftkit.params.task import TaskParameters
from ftkit.params.training import TrainingParameters

__all__ = [
    "ENDPOINT_PRICES", "MODELS", "PRICE_DATE", "DataParameters", "DecisionParameters", "DeploymentParameters", "EndpointParameters", "EvaluationParameters", "ModelParameters",
    "MonitoringParameters", "Parameters", "PreferenceParameters", "PromptingParameters", "RetrievalParameters", "TaskParameters", "TrainingParameters",
    "build", "load", "nearest", "notebook_cell", "to_yaml",
]  # fmt: skip
