"""A user of your own application: opens its pages, each time one at random."""

import json
import os
import random

from locust import HttpUser, between, task

_paths = json.loads(os.environ["LOADTEST_PATHS"])


class PathUser(HttpUser):
    """It does not know what a page must say: only an answer of 400 or more has failed."""

    wait_time = between(0, 0.2)

    @task
    def open_a_page(self):
        self.client.get(random.choice(_paths))
