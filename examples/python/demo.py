"""Serve CartPole-v1 in one process, play it with a model in this one, print the result."""

import os
import select
import subprocess
import sys
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from rlmesh.errors import RLMeshError
from rlmesh.numpy import Model

ENV_ID = "CartPole-v1"
EPISODES = 10
STARTED = 60  # Seconds that the server may take to start.
STOPPED = 10  # Seconds that it may take to end.


def predict(observation):
    """Push the cart to the side that the pole falls to, and a little towards the middle."""
    position, velocity, angle, spin = observation
    return int(angle + 0.3 * spin + 0.02 * position + 0.05 * velocity > 0)


@contextmanager
def served(env_id):
    """The address of a process that serves the environment while the context lasts."""
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
    """The line that the server writes once it is ready."""
    with os.fdopen(reader) as pipe:
        came, _, _ = select.select([pipe], [], [], STARTED)
        address = pipe.readline().strip() if came else ""
    if not address:
        sys.exit("the server did not start" + (" and said why above" if came else " in time"))
    return address


def stop(server):
    """End the server as a container would; its exit status."""
    server.terminate()
    try:
        return server.wait(STOPPED)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def play(console, address):
    """Play the episodes with a bar, where there is someone to look at it."""
    columns = [*Progress.get_default_columns(), MofNCompleteColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("episodes", total=EPISODES)
        model = Model(predict, on_episode_end=lambda event: progress.advance(task))
        return model.run(address, seeds=range(EPISODES))


def report(console, result):
    """Print a table of a run."""
    table = Table(title=f"{result.env_id}: {len(result.episodes)} seeded episodes over gRPC")
    for column in ("seed", "steps", "reward", "end", "seconds"):
        table.add_column(column, justify="right")
    for e in result.episodes:
        table.add_row(str(e.seed), str(e.steps), f"{e.reward:.1f}", e.end.value, f"{e.seconds:.2f}")
    console.print(table)
    console.print(
        f"reward {result.mean_reward:.1f} ± {result.std_reward:.1f}, {result.total_steps} steps, "
        f"{result.total_steps / result.seconds:.0f} steps a second"
    )


def main():
    """Serve, play and report; the exit status is 0 if all went well."""
    console = Console()
    try:
        with served(ENV_ID) as address:
            console.print(f"{ENV_ID} is served on {address} by a process of its own")
            result = play(console, address)
    except RLMeshError as error:
        sys.exit(f"the demo failed: {error}")
    report(console, result)


if __name__ == "__main__":
    main()
