"""The bell never makes anybody wait, and gathers what comes together."""

import os
import threading
import time

from uxp_diag.bell import Bell


class Sent:
    """A broker that remembers, and may be slow or away."""

    def __init__(self):
        self.messages = []
        self.called = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.is_away = False

    def __call__(self, numbers):
        self.called.release()
        self.gate.wait(60)
        if self.is_away:
            self.arrived.release()
            raise ConnectionError
        self.messages.append(numbers)
        self.arrived.release()

    def wait(self):
        assert self.arrived.acquire(timeout=60)

    def wait_until_called(self):
        assert self.called.acquire(timeout=60)


def test_what_comes_together_is_one_message():
    sent = Sent()
    bell = Bell(sent, most=50)
    sent.gate.clear()
    bell.ring([1])
    sent.wait_until_called()

    for number in range(2, 20):
        bell.ring([number])
    sent.gate.set()
    sent.wait()
    sent.wait()

    assert sent.messages == [[1], list(range(2, 20))]


def test_a_message_has_a_size():
    sent = Sent()
    bell = Bell(sent, most=50)

    bell.ring(list(range(120)))
    for _ in range(3):
        sent.wait()

    assert [len(message) for message in sent.messages] == [50, 50, 20]


def test_ringing_does_not_wait_for_the_broker():
    sent = Sent()
    sent.gate.clear()
    bell = Bell(sent, most=50)

    for number in range(1000):
        bell.ring([number])

    assert sent.messages == []
    sent.gate.set()
    sent.wait()


def test_a_broker_that_stalls_makes_no_queue_without_end():
    sent = Sent()
    sent.gate.clear()
    bell = Bell(sent, most=50)

    for number in range(5_000):
        bell.ring([number])
    waiting = bell._queue.qsize()
    sent.gate.set()
    sent.wait()
    bell.ring([5_000])
    while sent.messages[-1][-1] != 5_000:
        sent.wait()

    assert waiting <= 1_000
    assert sum(map(len, sent.messages)) <= 1_060


def test_a_broker_that_is_away_is_left_alone_for_a_while():
    sent = Sent()
    sent.is_away = True
    bell = Bell(sent, most=50)
    bell.ring([1])
    sent.wait()
    sent.is_away = False

    bell.ring([2])
    time.sleep(0.1)

    assert sent.messages == []


def test_nothing_to_tell_is_not_told():
    sent = Sent()

    Bell(sent, most=50).ring([])

    assert not sent.arrived.acquire(timeout=0.05)


def test_a_forked_process_rings_by_itself():
    read, write = os.pipe()
    told: list[list[int]] = []

    def send(numbers: list[int]) -> None:
        os.write(write, bytes(numbers))
        told.append(numbers)

    bell = Bell(send, most=50)
    bell.ring([1])
    assert os.read(read, 10) == b"\x01"

    child = os.fork()
    if child == 0:
        bell.ring([2])
        while [2] not in told:
            time.sleep(0.01)
        os._exit(0)

    assert os.read(read, 10) == b"\x02"
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
