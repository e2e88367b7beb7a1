"""A search for good hyper-parameters: each trial trains a small neural network in a task of its own.

The networks tell apart the arms of a spiral, with NumPy only. Their data and what they have in common are broadcast, an
accumulator counts the trials. With `--log DIR` each trial also adds a line to a file in DIR when it begins and when it has
ended: DIR must be one that all executors reach. Equal seeds give equal results, however many executors there are.
"""

import argparse
import itertools
import json
import os
import pathlib
import time

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

ARMS = 3
LAYERS = [(64,), (128,), (32, 32), (64, 64)]
ACTIVATIONS = ["tanh", "softplus"]
RATES = [0.003, 0.01, 0.03]

# Each activation, and its derivative in terms of its value. They are smooth, so that the last digits of other machines'
# linear algebra do not grow into other results.
FUNCTIONS = {
    "tanh": (np.tanh, lambda value: 1 - value * value),
    "softplus": (lambda x: np.logaddexp(0, x), lambda value: 1 - np.exp(-value)),
}


def spirals(points, rng):
    """Points on the arms of a spiral, with some noise, and the numbers of their arms."""
    arm = np.arange(points) % ARMS
    radius = np.sqrt(rng.random(points))
    angle = 2 * np.pi * (1.1 * radius + arm / ARMS)
    place = 3 * radius * np.array([np.cos(angle), np.sin(angle)])
    return place.T + rng.normal(0, 0.12, (points, 2)), arm


class Network:
    """Dense layers, trained by Adam to give each point the probability of each arm."""

    def __init__(self, layers, activation, rng):
        sizes = list(zip((2, *layers), (*layers, ARMS)))
        self.weights = [rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)) for inputs, outputs in sizes]
        self.biases = [np.zeros(outputs) for _, outputs in sizes]
        self.activate, self.derivative = FUNCTIONS[activation]
        self.moments = [(np.zeros_like(each), np.zeros_like(each)) for each in self.weights + self.biases]
        self.steps = 0

    def forward(self, points):
        """The values of all layers; those of the last are logarithms of probabilities."""
        values = [points]
        for weights, biases in zip(self.weights[:-1], self.biases[:-1]):
            values.append(self.activate(values[-1] @ weights + biases))
        scores = values[-1] @ self.weights[-1] + self.biases[-1]
        return [*values, scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)]

    def step(self, points, arms, rate):
        """Changes the weights a little, so that these points get a smaller loss."""
        *values, last = self.forward(points)
        error = (np.exp(last) - np.eye(ARMS)[arms]) / len(points)
        gradients = []
        for weights, value in zip(reversed(self.weights), reversed(values)):
            gradients.append((value.T @ error, error.sum(axis=0)))
            error = (error @ weights.T) * self.derivative(value)
        self.steps += 1
        of_weights, of_biases = zip(*reversed(gradients))
        for parameter, gradient, (mean, square) in zip(self.weights + self.biases, of_weights + of_biases, self.moments):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            parameter -= rate * mean / (1 - 0.9**self.steps) / (np.sqrt(square / (1 - 0.999**self.steps)) + 1e-8)

    def measured(self, points, arms):
        """The mean loss on some points, and the share of them that is told right."""
        last = self.forward(points)[-1]
        return float(-last[np.arange(len(arms)), arms].mean()), float((last.argmax(axis=1) == arms).mean())


def train(trial, data, model):
    """Trains one network; the loss and accuracy on points that it has not seen."""
    number, (layers, activation, rate) = trial
    rng = np.random.default_rng([model["seed"], number])
    network = Network(layers, activation, rng)
    points, arms = data["training"]
    for _ in range(model["epochs"]):
        for batch in np.array_split(rng.permutation(len(arms)), max(len(arms) // model["batch"], 1)):
            network.step(points[batch], arms[batch], rate)
    return network.measured(*data["validation"])


def note(directory, number, **what):
    """Adds a line to the log of a trial, which shows whether it was repeated."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"time": time.time(), "process": os.getpid(), **what})
        with open(directory / f"trial-{number:03}.jsonl", "a") as file:
            file.write(line + "\n")


def progress(count):
    """A handler of the session's progress that prints how many trials are done."""
    shown = 0

    def handle(stages, **_):
        nonlocal shown
        done = sum(stage.num_completed_tasks for stage in stages)
        if done > shown:
            shown = done
            print(f"{done} of {count} trials are done", flush=True)

    return handle


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=8000, help="how many points are for training")
    parser.add_argument("--epochs", type=int, default=30, help="how often a trial sees each of them")
    parser.add_argument("--seed", type=int, default=7, help="another seed makes other points and other networks")
    parser.add_argument("--log", type=pathlib.Path, help="directory for a log of each trial")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("HyperParameters").getOrCreate()
    sc = spark.sparkContext

    rng = np.random.default_rng(arguments.seed)
    data = sc.broadcast({"training": spirals(arguments.points, rng), "validation": spirals(600, rng)})
    model = sc.broadcast({"epochs": arguments.epochs, "batch": 256, "seed": arguments.seed})
    trials = sc.accumulator(0)
    log = arguments.log

    def tried(trial):
        note(log, trial[0], event="begins", parameters=trial[1])
        loss, accuracy = train(trial, data.value, model.value)
        note(log, trial[0], event="ends", loss=loss, accuracy=accuracy)
        trials.add(1)
        return loss, accuracy, trial

    grid = list(enumerate(itertools.product(LAYERS, ACTIVATIONS, RATES)))
    search = sc.parallelize(grid, len(grid)).map(tried)
    if is_remote():
        # Handlers are a part of Spark Connect.
        spark.registerProgressHandler(progress(len(grid)))
    results = sorted(search.collect())

    print(f"\n{'trial':>5}  {'layers':10} {'activation':10} {'rate':>6} {'loss':>8} {'accuracy':>8}")
    for loss, accuracy, (number, (layers, activation, rate)) in results[:10]:
        print(f"{number:5}  {'-'.join(map(str, layers)):10} {activation:10} {rate:6} {loss:8.4f} {accuracy:8.1%}")
    _, accuracy, (number, (layers, activation, rate)) = results[0]
    print(f"\nThe best of {trials.value} trials is {number}: layers {layers}, {activation}, rate {rate}: {accuracy:.1%} right")

    spark.stop()


if __name__ == "__main__":
    main()
