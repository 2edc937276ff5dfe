"""Work in several threads at once, for tests."""

import threading


def in_threads(*functions):
    """Call each function in its own thread and return their results in order.

    Raises the first exception of any of them, once all have ended.
    """
    results = [None] * len(functions)
    errors = []

    def call(number, function):
        try:
            results[number] = function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=each) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
