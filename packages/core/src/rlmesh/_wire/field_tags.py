"""Tags of what is written and read byte by byte, one each: field number << 3 | wire type.

If a writer puts several fields into one format, the format has their tags as literal bytes; tests
compare the output with the generated messages.
"""

from __future__ import annotations

__all__ = [
    "BATCH_SIZE",
    "CALL_US",
    "COMMITTED_COUNTS",
    "DESCRIBE",
    "FINAL",
    "FIRST",
    "FORM",
    "INFO",
    "LANES",
    "MAX_ACTIONS",
    "OBSERVED",
    "OBSERVED_COUNTS",
    "PADDING",
    "PREDICT_REQUEST",
    "PREFIX",
    "PREFIX_COUNTS",
    "RESET_RESPONSE",
    "RESET_SIM_TIME",
    "REWARD",
    "SECOND",
    "SEQUENCE",
    "SIM_TIME",
    "STEPS",
    "STEP_REQUEST",
    "STEP_RESPONSE",
    "TERMINATED",
    "THIRD",
    "TRUNCATED",
]

_LENGTH_DELIMITED = 2
_DOUBLE = 1

DESCRIBE = 15 << 3 | _LENGTH_DELIMITED
SEQUENCE = 1 << 3
CALL_US = 2 << 3
STEP_REQUEST = 5 << 3 | _LENGTH_DELIMITED
RESET_RESPONSE = 5 << 3 | _LENGTH_DELIMITED
STEP_RESPONSE = 6 << 3 | _LENGTH_DELIMITED
# StepRequest.action, {Reset,Step}Response.observation, Value.slabs:
FIRST = 1 << 3 | _LENGTH_DELIMITED
SECOND = 2 << 3 | _LENGTH_DELIMITED  # The info of a reset.
THIRD = 3 << 3 | _LENGTH_DELIMITED
BATCH_SIZE = 2 << 3
PADDING = 3 << 3 | _LENGTH_DELIMITED  # Of a Value.
REWARD = 2 << 3 | _DOUBLE
TERMINATED = 3 << 3
TRUNCATED = 4 << 3
INFO = 5 << 3 | _LENGTH_DELIMITED
LANES = 6 << 3 | _LENGTH_DELIMITED
FINAL = 7 << 3 | _LENGTH_DELIMITED
SIM_TIME = 8 << 3 | _DOUBLE
RESET_SIM_TIME = 3 << 3 | _DOUBLE

# Of a PredictRequest; its lanes and observation are SECOND and THIRD:
PREDICT_REQUEST = 5 << 3 | _LENGTH_DELIMITED
FORM = 1 << 3
MAX_ACTIONS = 4 << 3
STEPS = 5 << 3 | _LENGTH_DELIMITED
OBSERVED_COUNTS = 6 << 3 | _LENGTH_DELIMITED
OBSERVED = 7 << 3 | _LENGTH_DELIMITED
PREFIX_COUNTS = 8 << 3 | _LENGTH_DELIMITED
PREFIX = 9 << 3 | _LENGTH_DELIMITED
COMMITTED_COUNTS = 10 << 3 | _LENGTH_DELIMITED
