"""Recorders of episodes as videos and data, in an evaluation or, with `wrap`, in your own loop."""

from rlmesh._record.reading import Trajectory, read_trajectories
from rlmesh._record.recorder import Recorder, RecordingWarning
from rlmesh._record.trajectory import TrajectoryRecorder
from rlmesh._record.video import VideoRecorder
from rlmesh._record.wrapper import RecordedEnv, wrap

__all__ = [
    "RecordedEnv",
    "Recorder",
    "RecordingWarning",
    "Trajectory",
    "TrajectoryRecorder",
    "VideoRecorder",
    "read_trajectories",
    "wrap",
]
