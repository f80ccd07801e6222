"""Recordings of episodes: films and data, of an evaluation or of a loop of one's own (`wrap`)."""

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
