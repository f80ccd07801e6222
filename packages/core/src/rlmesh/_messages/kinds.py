"""Names of requests and replies as the schema has them, for messages that a peer's author reads."""

from __future__ import annotations

from functools import cache

from rlmesh._messages import env as m

__all__ = ["kind_of"]


@cache
def _kinds() -> dict[type, str]:
    # A client of environments imports no messages of models, unless it names one.
    from rlmesh._messages import model

    return {
        m.Open: "open",
        m.Opened: "open",
        m.Describe: "describe",
        m.Reset: "reset",
        m.ResetDone: "reset",
        m.Step: "step",
        m.StepDone: "step",
        m.StepMany: "step_many",
        m.StepManyDone: "step_many",
        m.Render: "render",
        m.Rendered: "render",
        m.Call: "call",
        m.Called: "call",
        m.GetAttribute: "get_attribute",
        m.Attribute: "get_attribute",
        m.SetAttribute: "set_attribute",
        m.AttributeSet: "set_attribute",
        m.SetView: "view",
        m.ViewSet: "view",
        model.StartEpisode: "start_episode",
        model.EpisodeStarted: "start_episode",
        model.Predict: "predict",
        model.Predicted: "predict",
        model.EndEpisode: "end_episode",
        model.EpisodeEnded: "end_episode",
        m.Close: "close",
        m.Closed: "close",
        m.Failure: "error",
        m.Progress: "progress",
    }


def kind_of(body: m.RequestBody | m.Reply) -> str:
    """Return the name of the field that holds a request or reply in the schema."""
    if isinstance(body, m.Malformed):
        return f"a malformed {body.kind} ({body.reason})"
    if isinstance(body, m.Unsupported):
        return body.kind
    return _kinds()[type(body)]
