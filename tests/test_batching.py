import asyncio
import threading

import pytest

from stepward.batching import Batcher
from stepward.errors import StepwardError


class Doubler:
    """An engine that doubles numbers and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, requests):
        self.batches.append(list(requests))
        return [2 * request for request in requests]


async def submit_all(batcher, requests):
    return await asyncio.gather(*(batcher.submit(request) for request in requests), return_exceptions=True)


def test_what_waits_together_is_run_together():
    engine = Doubler()
    assert asyncio.run(submit_all(Batcher(run=engine), range(5))) == [0, 2, 4, 6, 8]
    assert engine.batches == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("max_batch", [1, 3, 1000])
def test_a_thousand_concurrent_requests_get_their_own_results_whatever_the_grouping(max_batch):
    engine = Doubler()
    results = asyncio.run(submit_all(Batcher(run=engine, max_batch=max_batch), range(1000)))
    assert results == [2 * request for request in range(1000)]
    assert max(map(len, engine.batches)) == max_batch
    assert sorted(request for batch in engine.batches for request in batch) == list(range(1000))


def test_tasks_that_do_several_calls_meet_again_in_each_round():
    engine = Doubler()

    async def problem(batcher, start):
        value = start
        for _ in range(3):
            value = await batcher.submit(value)
        return value

    async def main():
        batcher = Batcher(run=engine)
        return await asyncio.gather(*(problem(batcher, start) for start in range(20)))

    assert asyncio.run(main()) == [8 * start for start in range(20)]
    assert [len(batch) for batch in engine.batches] == [20, 20, 20]


def test_the_engine_runs_beside_the_event_loop():
    seen = []
    batcher = Batcher(run=lambda requests: [seen.append(threading.current_thread()) for _ in requests])
    asyncio.run(submit_all(batcher, [1]))
    assert seen[0] is not threading.main_thread()


def test_an_exception_reaches_every_waiter_of_its_batch_and_no_other():
    def run(requests):
        if 3 in requests:
            raise ValueError("three")
        return requests

    results = asyncio.run(submit_all(Batcher(run=run, max_batch=2), range(6)))
    assert [str(result) for result in results] == ["0", "1", "three", "three", "4", "5"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_results_is_an_error_for_all(count):
    results = asyncio.run(submit_all(Batcher(run=lambda requests: [0] * count), range(2)))
    assert all(isinstance(result, StepwardError) for result in results)
    assert str(results[0]) == f"an engine was given 2 requests; got '{count} results'"


def test_a_cancelled_waiter_is_left_out_and_the_others_go_on():
    engine = Doubler()

    async def main():
        batcher = Batcher(run=engine)
        tasks = [asyncio.create_task(batcher.submit(request)) for request in range(4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert isinstance(results[1], asyncio.CancelledError)
    assert [results[0], *results[2:]] == [0, 4, 6]
    assert engine.batches == [[0, 2, 3]]


def test_a_waiter_cancelled_while_its_batch_runs_does_not_disturb_it():
    started, go_on = threading.Event(), threading.Event()

    def run(requests):
        started.set()
        assert go_on.wait(10)
        return requests

    async def main():
        batcher = Batcher(run=run)
        tasks = [asyncio.create_task(batcher.submit(request)) for request in range(2)]
        await asyncio.to_thread(started.wait, 10)
        tasks[0].cancel()
        go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = asyncio.run(main())
    assert isinstance(first, asyncio.CancelledError)
    assert second == 1


def test_a_batcher_serves_one_loop_after_another():
    engine = Doubler()
    batcher = Batcher(run=engine)
    assert asyncio.run(submit_all(batcher, [1, 2])) == [2, 4]
    assert asyncio.run(submit_all(batcher, [3])) == [6]


def test_a_loop_that_was_left_in_a_hurry_does_not_block_the_next():
    engine = Doubler()
    batcher = Batcher(run=engine)

    async def leave():
        task = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(leave())
    assert asyncio.run(submit_all(batcher, [2])) == [4]
    assert engine.batches == [[2]]


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="max_batch must be at least 1, got 0"):
        Batcher(run=Doubler(), max_batch=0)


def test_an_engine_that_raises_stop_iteration_leaves_nobody_waiting() -> None:
    def run(requests):
        return [next(iter(())) for _ in requests]

    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(Batcher(run=run).submit(1), timeout=5)

    asyncio.run(main())
