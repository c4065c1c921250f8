"""How often, how many and in which order, without a server and without waiting."""

import threading

import pytest

from tfepi.serving.client_requests import Flow, Requests, Waiting
from tfepi.serving.client_transport import ServerLostError, ServerRefusedError, Unavailable
from tfrecords_tools.errors import ConfigError


class Clock:
    """Seconds that pass as a request says."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def no_pauses(**how):
    return Requests(Waiting(**how), draw=lambda: 0.0)


def failing(times, **failure):
    """Return what fails so many times before it answers."""
    left = [times]

    def ask(timeout):
        left[0] -= 1
        if left[0] >= 0:
            raise Unavailable("gone", **failure)
        return "answer"

    return ask


def test_what_is_out_of_range():
    for how, message in (
        ({"in_flight": 0}, "--in_flight is 0"),
        ({"timeout": 0}, "--timeout is 0 s"),
        ({"timeout": float("inf")}, "--timeout is inf s"),
        ({"patience": -1}, "--patience is -1 s"),
    ):
        with pytest.raises(ConfigError, match=message):
            Waiting(**how)


def test_a_request_is_repeated():
    requests = no_pauses()
    assert requests.one(failing(20), "here") == "answer"
    assert requests.repeated == 20


def test_patience_ends():
    clock = Clock()
    requests = Requests(Waiting(patience=100), clock=clock, draw=lambda: 0.0)

    def ask(timeout):
        clock.now += 30
        raise Unavailable("gone")

    with pytest.raises(ServerLostError, match=r"here: gone, 4 times in 120 s"):
        requests.one(ask, "here")
    with pytest.raises(ServerLostError, match="1 time in 0 s"):
        no_pauses(patience=0).one(failing(1, after=1.0), "here")


def test_a_server_that_fails_at_a_request_is_not_asked_for_ever():
    with pytest.raises(ServerLostError, match="3 times"):
        no_pauses().one(failing(9, doubtful=True), "here")
    assert no_pauses().one(failing(2, doubtful=True), "here") == "answer"


def test_pauses_grow_are_random_and_heed_the_server():
    requests = Requests(Waiting(), draw=lambda: 0.5)
    plain = [requests._pause(n, Unavailable("gone")) for n in (1, 2, 3, 4, 100)]
    assert plain == [0.25, 0.5, 1.0, 2.0, 5.0]
    assert requests._pause(1, Unavailable("busy", after=7)) == 7.25


def test_a_refusal_is_not_repeated():
    asked = []

    def ask(timeout):
        asked.append(timeout)
        raise ServerRefusedError("no")

    with pytest.raises(ServerRefusedError):
        no_pauses(timeout=3).one(ask, "here")
    assert asked == [3]


def test_flow_halves_once_and_grows_again():
    flow, never = Flow(8), threading.Event()
    marks = [flow.enter(never) for _ in range(8)]
    for mark in marks:
        flow.busy(mark)
        flow.leave()
    assert flow.limit == 4
    flow.busy(flow.enter(never))
    flow.leave()
    assert flow.limit == 2
    for _ in range(60):
        flow.answered()
    assert flow.limit == 8
    for _ in range(9):
        flow.busy(flow.enter(never))
        flow.leave()
    assert flow.limit == 1


def test_no_more_in_flight_than_asked_for_and_in_order():
    requests, lock, there = (
        no_pauses(in_flight=3),
        threading.Lock(),
        threading.Barrier(3, timeout=30),
    )
    now, most, taken = [0], [0], []

    def jobs():
        for n in range(30):
            taken.append(n)
            yield n

    def ask(job, ended):
        def answer(timeout):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            there.wait()  # three are in flight at once
            with lock:
                now[0] -= 1
            return job * job

        return requests.one(answer, "here", ended)

    found = []
    for value in requests.each(jobs(), ask):
        found.append(value)
        assert len(taken) <= len(found) + 6  # memory does not grow with the number of jobs
    assert found == [n * n for n in range(30)]
    assert most == [3]


def test_one_failure_ends_the_others():
    requests, failed = no_pauses(in_flight=4, patience=1e9), threading.Event()

    def ask(job, ended):
        def answer(timeout):
            if job == 3:
                failed.set()
                raise ServerRefusedError("no")
            failed.wait(30)
            raise Unavailable("busy", after=1e6)

        return requests.one(answer, "here", ended)

    with pytest.raises(ServerRefusedError, match="no"):
        list(requests.each(range(100), ask))
    assert list(requests.each([5], lambda job, ended: job)) == [5]  # it can be used again


def test_a_bug_is_passed_on():
    def ask(job, ended):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(no_pauses().each([1, 2], ask))
