"""The faults of the catalogue, and how each is injected; or, where it is not, what stands for it or what is missing."""

import dataclasses
from collections.abc import Callable

import drivers
import executors
import inputs
import kills
import network
import storage


@dataclasses.dataclass(frozen=True)
class Row:
    """A fault: its name, how it is injected, and for one that is not, why. One that waits for something may end otherwise than promised."""

    name: str
    fault: str
    run: Callable | None = None
    instead: str = ""
    waits: str = ""
    short: bool = False
    seconds: int = 120


ROWS = [
    Row("1", "driver killed before the first task", drivers.killed_before_the_first_task),
    Row("2", "driver killed in the reduce stage", drivers.killed_in_the_reduce_stage, short=True),
    Row("3", "driver killed before its job commits files", drivers.killed_before_the_job_commits),
    Row("4", "driver frozen, resumed while its successor runs", drivers.frozen_while_a_successor_runs, short=True),
    Row("5", "result larger than the driver takes", drivers.result_too_large),
    Row("6", "journal's volume full", instead="no journal: what outlives a driver are map outputs; row 22"),
    Row("7", "records of two outputs torn when the driver restarts", drivers.records_torn_at_a_restart),
    Row("8", "clocks jump by an hour, forward and back", drivers.clock_jumps),
    Row("9", "executor killed in a map task", executors.killed_in_a_map_task),
    Row("10", "executor killed after its map outputs", executors.killed_after_its_map_outputs),
    Row("11", "executor killed between the bytes of an output and its name", executors.ends_before_its_output_has_a_name, short=True),
    Row("12", "executor ends with code 0 in a task", executors.ends_with_code_zero_in_a_task, short=True),
    Row("13", "one task kills each of its executors", executors.one_task_kills_its_executors),
    Row("14", "executor killed by its memory limit", executors.killed_by_the_memory_limit),
    Row("15", "Python workers crash, end, loop, flood, close their input", executors.workers_misbehave),
    Row("16", "straggler", executors.straggler),
    Row("17", "executor frozen, given up, back", executors.frozen_and_back, short=True),
    Row("18", "launch told twice", instead="simulation: driver, RepeatedLaunchesRun"),
    Row("19", "stream of an executor held, then cut", executors.stream_cut, short=True),
    Row("19a", "executor killed in an action with accumulators", executors.accumulators),
    Row("20", "a byte of some outputs flipped", storage.bytes_flipped),
    Row("21", "outputs missing, truncated or empty", storage.outputs_truncated, short=True),
    Row("22", "volume of one executor full", storage.disk_full),
    Row("23", "a read of an output fails", storage.reads_fail),
    Row("23a", "reads of outputs take 5 s", storage.reads_take_long),
    Row("24", "all outputs vanish below living executors", storage.volume_gone, short=True),
    Row("24a", "volume lost with its executor", storage.volume_lost_with_its_executor),
    Row("25", "volume of another application mounted", storage.volume_of_another_application),
    Row("26", "power cut without synced outputs", instead="simulation: crates/shuffle/tests, NoSync"),
    Row("27", "outputs with random rows lost while they are read", storage.random_rows_lost),
    Row("28", "two attempts write one output", instead="row 17, and simulation: crates/shuffle/tests, ReplacingRename"),
    Row("29", "leftovers of killed commands", storage.leftovers_swept),
    Row("30", "node loses its power", instead="e2e: test_losses.py::test_a_node_that_is_lost_takes_an_executor_with_it_…"),
    Row("31", "driver and executor partitioned, both ways", network.partitioned_both_ways),
    Row("31a", "driver and executor partitioned, one way", network.partitioned_one_way, short=True),
    Row("32", "10 % loss, 200 ms delay, repeated and damaged packets", network.bad_network),
    Row("33", "executors partitioned from each other", network.peers_partitioned),
    Row("33a", "executors partitioned from each other for good", network.peers_parted),
    Row("34", "names do not resolve", network.names_unresolved),
    Row("35", "links stop one by one, and start in another order", network.swizzle_clog),
    Row("36", "executor told to end", instead="e2e: test_losses::test_an_executor_that_is_asked_to_end_…, test_a_node_that_is_drained_…"),
    Row("37", "API server away", instead="e2e: test_refusals::test_an_api_server_that_is_away_…; operator/tests (simulation)"),
    Row("38", "API requests fail, also after they took effect", instead="operator/tests (simulation)"),
    Row("39", "watches drop or show the past", instead="operator/tests (simulation)"),
    Row("40", "operator killed between two writes", instead="e2e: test_losses::test_an_operator_that_is_killed_at_any_moment_…"),
    Row("41", "leader lost", instead="e2e: test_install::test_of_three_operators_one_leads_and_another_follows_…"),
    Row("42", "quota, image, volume, permissions", instead="e2e: test_applications::test_a_missing_image_…, …_without_a_node_…; test_refusals"),
    Row("43", "bad input", inputs.bad_input, seconds=240),
    Row("kills", "queries of TPC-H while executors are killed", kills.tpch, seconds=400),
    Row("kills.ds", "queries of TPC-DS while executors are killed", kills.tpcds, seconds=900),
    Row("kills.driver", "queries of TPC-H while drivers are killed", kills.drivers, seconds=300),
]
