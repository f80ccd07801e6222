"""Recorders of episodes as videos and data, in an evaluation or, with `wrap`, in your own loop."""

from rlmesh._recording.reading import Trajectory, read_trajectories
from rlmesh._recording.recorder import Recorder, RecordingWarning
from rlmesh._recording.trajectory import TrajectoryRecorder
from rlmesh._recording.video import VideoRecorder
from rlmesh._recording.wrapper import RecordedEnv, wrap

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
