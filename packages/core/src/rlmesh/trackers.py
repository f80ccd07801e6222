"""Trackers: hooks that log an evaluation to JSON lines, TensorBoard, Weights & Biases or MLflow.

Pass one or several as `hooks` to `rlmesh.evaluate`, after a `VideoRecorder`, if there is one.
"""

from rlmesh._trackers.json_lines import JsonLines
from rlmesh._trackers.mlflow import MLflow
from rlmesh._trackers.tensorboard import TensorBoard
from rlmesh._trackers.tracker import Tracker, TrackerWarning
from rlmesh._trackers.wandb import WandB

__all__ = ["JsonLines", "MLflow", "TensorBoard", "Tracker", "TrackerWarning", "WandB"]
