"""Recordings of episodes: `VideoRecorder`, and `wrap` for a loop of one's own."""

from rlmesh._record.recorder import Recorder, RecordingWarning
from rlmesh._record.video import VideoRecorder
from rlmesh._record.wrapper import RecordedEnv, wrap

__all__ = ["RecordedEnv", "Recorder", "RecordingWarning", "VideoRecorder", "wrap"]
