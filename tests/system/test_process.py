"""A process is named for good, and only what is certain is called dead."""

import gc
import os
import subprocess
import sys
import time
from dataclasses import replace

from opensqt.system import process
from opensqt.system.process import ProcessName


def sleeping() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def name_of(pid: int) -> ProcessName:
    start = process.start_ticks(pid)
    assert start is not None
    return ProcessName(pid=pid, start=start)


def test_this_process_is_alive() -> None:
    me = process.current()

    assert me.pid == os.getpid()
    assert me.is_alive
    assert not process.is_proven_dead(process.holder())


def test_a_process_that_was_killed_is_proven_dead() -> None:
    with sleeping() as child:
        name = name_of(child.pid)
        holder = process.holder(name)
        assert name.is_alive
        assert not process.is_proven_dead(holder)
        child.kill()
        # Killed and not yet waited for: a zombie holds an id but runs no code.
        while process._stat(child.pid)[0] != "Z":  # type: ignore[index]
            time.sleep(0.001)
        assert not name.is_alive
        child.wait()

    assert not name.is_alive
    assert process.is_proven_dead(holder)
    assert process.start_ticks(name.pid) is None


def test_another_process_with_the_same_id_is_not_the_same_process() -> None:
    me = process.current()
    earlier = replace(me, start=me.start - 1)

    assert not earlier.is_alive
    assert process.is_proven_dead(process.holder(earlier))


def test_nothing_is_known_of_a_process_elsewhere() -> None:
    host, pid, start = process.holder().split(":")

    assert not process.is_proven_dead(f"elsewhere:{pid}:1")
    assert not process.is_proven_dead(f"{host.split('/')[0]}:{pid}:1")
    for text in ("", "x", host, f"{host}:", f"{host}:{pid}", f"{host}:a:b", f"{host}:-1:{start}"):
        assert not process.is_proven_dead(text)


def test_a_command_name_cannot_forge_the_fields_after_it() -> None:
    code = "import time; open('/proc/self/comm', 'w').write('a) Z 1 1'); print(1, flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", code + "time.sleep(60)"], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        assert name_of(child.pid).is_alive
        child.kill()


def test_memory_and_processor_time_are_those_of_the_process() -> None:
    code = "x = bytearray(64 << 20); print(sum(range(3_000_000)), flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()

        private, used = process.private_bytes(child.pid), process.cpu_ms(child.pid)
        child.kill()

    assert private is not None
    assert 64 << 20 < private < 96 << 20
    assert used is not None
    assert 10 < used < 10_000


def test_an_ended_process_costs_nothing_that_could_be_measured() -> None:
    with sleeping() as child:
        child.kill()

    assert process.private_bytes(child.pid) is None
    assert process.cpu_ms(child.pid) is None


def test_what_exists_is_spared_by_the_collector() -> None:
    gc.unfreeze()

    process.spare_collector()

    assert gc.get_freeze_count() > 1_000
    gc.unfreeze()
