"""Turns are had in the order in which they were asked for, one at a time."""

from __future__ import annotations

import time
from threading import Event, Thread

import pytest

from pipelines.web.turns import Turns


def test_first_come_first_served_and_never_two_at_once() -> None:
    turns, order, inside = Turns(), [], []
    threads = []

    def work(number: int) -> None:
        with turns.turn():
            inside.append(number)
            assert inside == [number]
            order.append(number)
            inside.remove(number)

    with turns.turn():
        for number in range(20):
            threads.append(Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(turns._waiting) < number + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert order == list(range(20))


def test_one_who_asks_again_and_again_lets_others_in_between() -> None:
    turns, order, asked = Turns(), [], Event()

    def other() -> None:
        asked.set()
        with turns.turn():
            order.append("other")

    thread = Thread(target=other)
    with turns.turn():
        thread.start()
        asked.wait(10)
        while len(turns._waiting) < 2:
            time.sleep(0.001)
        order.append("many 1")
    with turns.turn():
        order.append("many 2")
    thread.join(10)
    assert order == ["many 1", "other", "many 2"]


def test_a_turn_that_fails_is_handed_on() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="mine"), turns.turn():
        raise ValueError("mine")
    with turns.turn():
        pass
