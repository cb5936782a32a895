"""A small world with two tasks and three models, of which one is much better."""

import numpy as np

from benchmarks.learning.world import World, recorded_model
from libs.providers.catalogue import Price
from libs.routing.priors import load_priors

GOOD, ITEMS = 1, 30


def small_world() -> World:
    rng = np.random.default_rng(5)
    price = Price(fresh_input=1.0, cache_read=0.1, cache_write=1.0, output=4.0)
    chances = np.array([0.3, 0.9, 0.4])
    tasks = ("a", "b", "c")
    return World(
        name="small",
        models={name: recorded_model(name, name, price) for name in ("m0", "m1", "m2")},
        scores={task: (rng.random((ITEMS, 3)) < chances).astype(float) for task in tasks},
        costs={task: np.full((ITEMS, 3), 0.01) for task in tasks},
        priors=load_priors(),
        cost_weight=1.0,
        tokens=(1000, 100),
    )
