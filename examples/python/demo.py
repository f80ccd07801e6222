"""Serve CartPole-v1 in one process, play it with a model in this one, print the result."""

import os
import subprocess
import sys
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from rlmesh.numpy import Model

EPISODES = 10


def predict(observation):
    """Push the cart to the side that the pole falls to."""
    position, velocity, angle, spin = observation
    return int(angle + 0.3 * spin + 0.02 * position + 0.05 * velocity > 0)


@contextmanager
def served(env_id):
    """The address of a process that serves the environment while the context lasts."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "rlmesh._cli.serve_env", "--env", env_id]
    command += ["--ready-fd", str(writer)]
    process = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as ready:
            address = ready.readline().strip()
        if not address:
            sys.exit(f"the server ended with status {process.wait(10)}")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
    """Serve, play and report."""
    console = Console()
    with served("CartPole-v1") as address:
        columns = [*Progress.get_default_columns(), MofNCompleteColumn()]
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"episodes on {address}", total=EPISODES)
            model = Model(predict, on_episode_end=lambda event: progress.advance(task))
            result = model.run(address, seeds=range(EPISODES))
    report(console, result)


if __name__ == "__main__":
    main()
