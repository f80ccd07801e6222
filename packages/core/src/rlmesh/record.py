"""Recordings of episodes: films and data, of an evaluation or of a loop of one's own (`wrap`)."""

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
