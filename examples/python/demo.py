"""Serve CartPole-v1, play it with a model, train another model, evaluate that on four endpoints.

Every environment is in a process of its own; the models are in this process.
"""

import os
import select
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

import rlmesh
from rlmesh.errors import RLMeshError
from rlmesh.numpy import Model, RemoteEnv

ENV_ID = "CartPole-v1"
EPISODES = 10
ENDPOINTS = 4
ROUNDS = 4  # Of the training.
TRIED = 16  # Models that a round tries.
STARTED = 60  # Largest time in seconds for the server to start.
STOPPED = 10  # Largest time in seconds for the server to end.


def predict(observation):
    """Push the cart to the side that the pole falls to, and a little towards the middle."""
    position, velocity, angle, spin = observation
    return int(angle + 0.3 * spin + 0.02 * position + 0.05 * velocity > 0)


@contextmanager
def served(env_id):
    """Yield the address of a process that serves the environment while the context lasts."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "rlmesh._cli.serve_env", "--env", env_id]
    command += ["--ready-fd", str(writer)]
    server = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL)
    os.close(writer)
    try:
        yield ready_address(reader)
    except BaseException:
        stop(server)
        raise
    status = stop(server)
    if status != 0:
        sys.exit(f"the server of {env_id} ended with status {status}")


def ready_address(reader):
    """Return the line that the server writes once it is ready."""
    with os.fdopen(reader) as pipe:
        came, _, _ = select.select([pipe], [], [], STARTED)
        address = pipe.readline().strip() if came else ""
    if not address:
        sys.exit("the server did not start" + (": see its output above" if came else " in time"))
    return address


def stop(server):
    """End the server as a container would, and return its exit status."""
    server.terminate()
    try:
        return server.wait(STOPPED)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def play(console, address):
    """Play the episodes, with a progress bar on a terminal."""
    columns = [*Progress.get_default_columns(), MofNCompleteColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("episodes", total=EPISODES)
        model = Model(predict, on_episode_end=lambda event: progress.advance(task))
        return model.run(address, seeds=range(EPISODES))


def report(console, result):
    """Print a table of a run."""
    table = Table(title=f"{result.env_id}: {len(result.episodes)} seeded episodes")
    for column in ("seed", "steps", "reward", "end", "seconds"):
        table.add_column(column, justify="right")
    for e in result.episodes:
        table.add_row(str(e.seed), str(e.steps), f"{e.reward:.1f}", e.end.value, f"{e.seconds:.2f}")
    console.print(table)
    console.print(
        f"reward {result.mean_reward:.1f} ± {result.std_reward:.1f}, {result.total_steps} steps, "
        f"{result.total_steps / result.seconds:.0f} steps a second"
    )


def linear(weights):
    """Return a model that pushes to the side given by a weighted sum of the observation."""
    return Model(lambda observation: int(observation @ weights > 0))


def train(console, address):
    """Find weights by the cross-entropy method: sample, keep the best, narrow, repeat."""
    random = np.random.default_rng(0)
    mean, spread = np.zeros(4), np.ones(4)
    env = RemoteEnv(address)
    for _ in range(ROUNDS):
        tried = random.normal(mean, spread, (TRIED, 4))
        rewards = [linear(weights).run(env, seeds=[100]).mean_reward for weights in tried]
        best = tried[np.argsort(rewards)[-4:]]
        mean, spread = best.mean(axis=0), best.std(axis=0) + 0.05
        console.print(f"training: mean reward {np.mean(rewards):.1f}, best {max(rewards):.1f}")
    env.close()
    return mean


def evaluate(console, weights):
    """Play seeds that were not used in training, on several endpoints at once."""
    with ExitStack() as stack:
        addresses = [stack.enter_context(served(ENV_ID)) for _ in range(ENDPOINTS)]
        result = rlmesh.evaluate(linear(weights), addresses, seeds=range(200, 220))
    low, high = result.reward_interval()
    console.print(
        f"evaluated on {len(result.by_endpoint())} endpoints at once: "
        f"{len(result.episodes)} seeds, reward {result.mean_reward:.1f} [{low:.1f}, {high:.1f}]",
        markup=False,
    )


def main():
    """Serve, play, train, evaluate and report; the exit status is 0 if all went well."""
    console = Console()
    try:
        with served(ENV_ID) as address:
            console.print(f"{ENV_ID} is served on {address} by a process of its own")
            report(console, play(console, address))
            weights = train(console, address)
        evaluate(console, weights)
    except RLMeshError as error:
        sys.exit(f"the demo failed: {error}")


if __name__ == "__main__":
    main()
