"""A controller that was written apart from MuJoCo's two-link arm, on it by the tags of its numbers.

Gymnasium's Reacher writes one vector: cosines and sines of its joints, the place of the target, the
velocities of the joints, and the distance of the fingertip from the target. The tags declare which
is which; the model reads them by their meaning, in its own units and its own order.

Needs `pip install "gymnasium[mujoco]"`.
"""

import gymnasium as gym
import numpy as np

import rlmesh
from rlmesh.adapters import Action, Concat, ModelSpec, State, feature, output, resolve, tags
from rlmesh.adapters.roles import JOINT_VELOCITIES
from rlmesh.numpy import Model

# Roles of one's own are texts that both sides use; JOINT_VELOCITIES is one of the usual ones.
COSINES, SINES = "state/joint_cosines", "state/joint_sines"
TARGET, ERROR, TORQUES = "state/target", "state/tip_error", "action/joint_torques"
JOINTS = ("shoulder", "elbow")
LENGTHS = np.array([0.1, 0.11])  # Of the links, in metres.

TAGS = tags(
    [
        feature(COSINES, names=JOINTS),
        feature(SINES, names=JOINTS),
        feature(TARGET, unit="m", names=("x", "y")),
        feature(JOINT_VELOCITIES, unit="rad/s", names=JOINTS),
        feature(ERROR, unit="m", names=("x", "y")),
    ],
    feature(TORQUES, range=(-1, 1), names=JOINTS),
)

SPEC = ModelSpec(
    "jacobian-transpose",
    (
        Concat("angles", feature(COSINES, names=JOINTS), feature(SINES, names=JOINTS)),
        State("error_mm", ERROR, unit="mm", names=("x", "y")),
        State("speeds", JOINT_VELOCITIES, unit="rad/s", names=JOINTS),
    ),
    Action("torques", output(feature(TORQUES, range=(-1, 1), names=JOINTS))),
)


class Controller(Model):
    """Pulls the fingertip to the target, by the transpose of the arm's Jacobian."""

    def predict(self, observation):
        cosines, sines = observation["angles"].reshape(2, 2)
        # The elbow's angle is relative to the upper arm.
        both = np.array([cosines[0] * cosines[1] - sines[0] * sines[1]])
        both_sine = np.array([sines[0] * cosines[1] + cosines[0] * sines[1]])
        elbow = LENGTHS[1] * np.concatenate([-both_sine, both])
        shoulder = LENGTHS[0] * np.array([-sines[0], cosines[0]]) + elbow
        pull = -np.stack([shoulder, elbow]) @ observation["error_mm"]
        torques = 0.03 * pull - 0.04 * observation["speeds"]
        return {"torques": np.clip(torques, -1, 1).astype(np.float32)}


def main(episodes=10):
    """Print the adapter, and the reward of the controller beside that of random actions."""
    with rlmesh.EnvServer(gym.make("Reacher-v5"), tags=TAGS) as server:
        model = Controller(None, spec=SPEC)
        print(resolve(server.env_contract, SPEC, backend=rlmesh.numpy.BACKEND).explain())
        result = model.run(server.address, seeds=range(episodes))
        random = rlmesh.evaluate(rlmesh.RANDOM_SAMPLE, server.address, seeds=range(episodes))
    print(f"mean reward {result.mean_reward:.1f}, of random actions {random.mean_reward:.1f}")
    return result, random


if __name__ == "__main__":
    main()
