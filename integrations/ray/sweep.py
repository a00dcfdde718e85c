"""Runs the shares of a sweep's plan on a Ray cluster.

    python integrations/ray/sweep.py --plan plan.jsonl --out results --shards 64

Ray brings machines, queues and retries; aurelius-sim brings cells. Every share is one task: it calls the
program, which skips cells that are there and writes each new one whole or not at all. So a worker that dies
loses at most the cell it was at, a task that runs twice changes nothing, and the merged result has the bytes of
a single machine. `--out` must be a place that all workers see: a shared folder, or an object store.
"""

import argparse
import os
import subprocess
import sys

import ray


@ray.remote(max_retries=5)
def share(binary: str, folder: str, plan: str, number: int, of: int, out: str) -> int:
    """Computes one share; raises when the program says that its input is wrong."""
    words = [binary, "sweep", f"--plan={plan}", f"--shard={number}/{of}", f"--out={out}", "--jobs=1"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"share {number}/{of}: {done.stderr.strip()}")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", required=True, help="the plan, as every worker sees it")
    parser.add_argument("--out", required=True, help="folder or URL that every worker sees")
    parser.add_argument("--shards", type=int, default=64, help="in how many tasks the plan is cut")
    parser.add_argument("--binary", default="aurelius-sim", help="the program on the workers")
    parser.add_argument("--address", default=None, help="a Ray cluster; absent: one on this machine")
    arguments = parser.parse_args()

    ray.init(address=arguments.address, log_to_driver=False)
    folder = os.getcwd()
    waiting = [
        share.remote(arguments.binary, folder, arguments.plan, number, arguments.shards, arguments.out)
        for number in range(arguments.shards)
    ]
    done = 0
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        try:
            ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            print(f"error: {error.cause}", file=sys.stderr)
            return 2
        done += 1
        print(f"{done}/{arguments.shards} shares done", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
