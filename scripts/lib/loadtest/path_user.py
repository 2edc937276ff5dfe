"""A user of one's own application: opens its pages, one of them at random after another."""

import json
import os
import random

from locust import HttpUser, between, task

_paths = json.loads(os.environ["LOADTEST_PATHS"])


class PathUser(HttpUser):
    """What a page must say is not known here: an answer of 400 or more has failed."""

    wait_time = between(0, 0.2)

    @task
    def open_a_page(self):
        self.client.get(random.choice(_paths))
