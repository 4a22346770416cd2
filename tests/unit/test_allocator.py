"""The allocator's settings, seen from outside: page faults of chunks that come and go."""

import subprocess
import sys

import pytest

COUNT = """
import resource
from fedward_shared.allocator import keep_freed_memory
done = {call}
def chunks():
    for _ in range(100):
        held = [bytes(bytearray(1 << 19)) for _ in range(4)]
        del held
chunks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
chunks()
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call: str) -> tuple[str, int]:
    done = subprocess.run([sys.executable, "-c", COUNT.format(call=call)], check=True, capture_output=True, text=True)
    said, count = done.stdout.split()
    return said, int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_chunks_that_come_and_go_cost_no_page_faults() -> None:
    said, kept = faults("keep_freed_memory()")
    if said == "False":
        pytest.skip("not glibc")
    _, given_back = faults("None")
    assert kept < given_back / 10
