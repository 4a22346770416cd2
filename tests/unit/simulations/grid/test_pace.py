"""What is left is judged by what like cells took."""

from itertools import count

from fedward_simulations.grid.pace import Pace
from fedward_simulations.grid.progress import Display, remaining, spell
from fedward_simulations.grid.running import State


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_cells_of_a_kind_take_as_long_as_those_before_and_unknown_ones_the_mean() -> None:
    clock = Clock()
    pace = Pace(2, monotonic=clock)
    assert pace.left({"a": "slow"}) is None
    pace.learn("slow", 10.0)
    pace.learn("slow", 14.0)
    pace.learn("quick", 2.0)
    assert pace.left({"a": "slow", "b": "slow", "c": "quick", "d": "never seen"}) == (12 + 12 + 2 + 7) / 2
    assert pace.left({}) == 0


def test_what_is_running_counts_down_and_the_longest_cell_bounds_it() -> None:
    clock = Clock()
    pace = Pace(4, monotonic=clock)
    pace.learn("slow", 12.0)
    pace.begin("a")
    clock.now = 5.0
    assert pace.left({"a": "slow"}) == 7
    clock.now = 50.0
    assert pace.left({"a": "slow"}) == 0
    pace.end("a")
    assert pace.left({"a": "slow"}) == 12


def state(finished: int, failed: int = 0, left: float | None = None) -> State:
    return State(10, finished, 0, 0, failed, (), left, 0)


def test_durations_as_people_say_them() -> None:
    assert [spell(seconds) for seconds in (0.2, 90, 600, 9000)] == ["1 s", "90 s", "10 min", "2.5 h"]
    assert remaining(state(3, 1, 60.0)) == "1 failed, about 60 s left"
    assert remaining(state(10, 0, 0.0)) == remaining(state(3)) == ""


def test_without_a_terminal_a_line_is_said_now_and_then() -> None:
    lines: list[str] = []
    ticks = count(0, 20)
    display = Display(None, lines.append, monotonic=lambda: float(next(ticks)))
    for finished in range(5):
        display.show(state(finished, left=60.0))
    assert lines == ["1 of 10 cells, about 60 s left", "3 of 10 cells, about 60 s left"]
    assert display.state == state(4, left=60.0)
