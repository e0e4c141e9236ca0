"""Watched directories, with real files and real inotify; everything is waited for by events.

Where ``poll_s`` is left at a minute, only inotify can have told.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mesh.galley.fault import Fault
from mesh.galley.parse import Parsed
from mesh.galley.sources.directory import Directories, list_files

Make = Callable[..., str]
Start = Callable[..., Awaitable[Any]]


async def test_files_written_in_place_renamed_over_and_deleted_are_followed(
    start: Start, destination_rule: Make
):
    running = await start()
    await running.watching()
    folder: Path = running.directory
    path = folder / "a.yaml"

    (folder / "a.yaml").write_text(destination_rule("v1"))
    await running.until(lambda: "reviews" in running.names())

    with path.open("r+") as file:  # in place: the same inode
        file.write(destination_rule("v2"))
    await running.until(lambda: subsets(running) == ["v2"])

    scratch = running.directory / ".a.yaml.swp"  # renamed over: another inode
    scratch.write_text(destination_rule("v1", "v2", "v3"))
    scratch.replace(path)
    await running.until(lambda: subsets(running) == ["v1", "v2", "v3"])

    (folder / "a.yaml").rename(folder / "b.yaml")
    (folder / "c.yaml").write_text(destination_rule(name="c", host="c"))
    await running.until(lambda: "c" in running.names())
    assert subsets(running) == ["v1", "v2", "v3"]

    (folder / "b.yaml").unlink()
    await running.until(lambda: "reviews" not in running.names())


def subsets(running: Any) -> list[str]:
    rules = running.galley.snapshot.destination_rules
    return [s.name for rule in rules if rule.metadata.name == "reviews" for s in rule.spec.subsets]


async def test_a_config_map_swaps_its_link_and_all_its_files_change_at_once(
    start: Start, tmp_path: Path, destination_rule: Make
):
    volume = tmp_path / "volume"

    def publish(version: str, *names: str) -> None:
        (volume / f"..{version}").mkdir()
        for name in names:
            (volume / f"..{version}" / f"{name}.yaml").write_text(
                destination_rule(version, name=name, host=name)
            )
        (volume / "..tmp").symlink_to(f"..{version}")
        (volume / "..tmp").replace(volume / "..data")

    volume.mkdir()
    publish("v1", "a", "b")
    for name in ("a", "b"):
        (volume / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    running = await start(volume)
    assert running.names() == ["a", "b"]
    await running.watching()
    generation = running.galley.snapshot.generation

    publish("v2", "a", "b")
    await running.until(lambda: running.galley.snapshot.generation > generation)
    snapshot = running.galley.snapshot
    assert snapshot.generation == generation + 1
    rules = [rule for rule in snapshot.destination_rules if rule.metadata.name != "probe"]
    assert [rule.spec.subsets[0].name for rule in rules] == ["v2", "v2"]


async def test_a_root_that_is_a_link_may_be_pointed_elsewhere(
    start: Start, tmp_path: Path, destination_rule: Make
):
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.yaml").write_text(destination_rule(name=release))
    current = tmp_path / "current"
    current.symlink_to("one")
    running = await start(current, poll_s=0.05)
    assert running.names() == ["one"]
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(current)
    await running.until(lambda: running.names() == ["two"])


async def test_a_root_may_come_later_and_go_without_taking_its_objects(
    start: Start, tmp_path: Path, destination_rule: Make
):
    root = tmp_path / "later"
    running = await start(root, poll_s=0.05)
    assert "No such file" in running.galley.faults[0].message
    root.mkdir()
    (root / "a.yaml").write_text(destination_rule())
    await running.until(lambda: running.names() == ["reviews"])
    assert not running.galley.faults

    root.rename(tmp_path / "away")
    other = Directories([root])
    other.changes(other.look(), reread=True)
    assert len(other.root_faults) == 1
    assert running.names() == ["reviews"]
    root.mkdir()
    (root / "b.yaml").write_text(destination_rule(name="b", host="b"))
    await running.until(lambda: running.names() == ["b"])


async def test_a_bad_file_keeps_the_last_good_objects_of_that_file_only(start: Start, destination_rule: Make):
    running = await start()
    good, other = running.directory / "a.yaml", running.directory / "z.yaml"
    await running.watching()
    good.write_text(destination_rule("v1"))
    await running.until(lambda: "reviews" in running.names())

    good.write_text(destination_rule("v2").replace("subsets", "subset"))
    other.write_text(destination_rule(name="other", host="other"))
    await running.until(lambda: "other" in running.names())
    assert subsets(running) == ["v1"]
    [fault] = running.galley.faults
    assert (Path(fault.file).name, fault.line, fault.path) == ("a.yaml", 6, "spec.subset")

    good.write_text(destination_rule("v3"))
    await running.until(lambda: subsets(running) == ["v3"])
    assert not running.galley.faults


async def test_a_file_emptied_by_a_slow_writer_keeps_its_objects(start: Start, destination_rule: Make):
    running = await start()
    path = running.directory / "a.yaml"
    await running.watching()
    path.write_text(destination_rule("v1"))
    await running.until(lambda: "reviews" in running.names())
    path.write_text("")
    (running.directory / "b.yaml").write_text(destination_rule(name="b", host="b"))
    await running.until(lambda: "b" in running.names())
    assert "reviews" in running.names()
    assert "the file is empty" in running.galley.warnings[-1].message


def test_only_visible_yaml_files_are_listed_in_folders_too(tmp_path: Path):
    for name in ("a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml", "sub/f.yaml", "..data/g.yaml", "a.yaml~"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    names = sorted(str(path.relative_to(tmp_path)) for path in list_files(tmp_path))
    assert names == ["a.yaml", "b.yml", "c.json", "sub/f.yaml"]


def test_equal_stats_are_not_trusted_after_an_event(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    directories = Directories([tmp_path])
    assert len(directories.changes(directories.look(), reread=True)) == 1
    look = directories.look()
    assert directories.changes(look, reread=True) == {}
    path.write_text("a: 2")  # as if within one tick of the clock: the old look is shown again
    assert directories.changes(look, reread=False) == {}
    assert len(directories.changes(look, reread=True)) == 1


def test_bytes_that_are_no_text_are_a_fault_with_their_line(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes(b"kind: A\nname: \xff\n")
    directories = Directories([tmp_path])
    [fault] = directories.changes(directories.look(), reread=True).values()
    assert isinstance(fault, Fault)
    assert (fault.line, fault.message) == (2, "expected UTF-8 text, got the byte 0xff")


def test_a_file_whose_reading_fails_is_a_fault(tmp_path: Path):
    (tmp_path / "a.yaml").symlink_to("/proc/self/mem")  # nothing is mapped at address 0: EIO
    directories = Directories([tmp_path])
    [fault] = directories.changes(directories.look(), reread=True).values()
    assert isinstance(fault, Fault)
    assert fault.message == "cannot be read: Input/output error"


def test_a_file_that_vanished_is_told_once(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    directories = Directories([tmp_path])
    [outcome] = directories.changes(directories.look(), reread=True).values()
    assert isinstance(outcome, Parsed)
    path.unlink()
    assert list(directories.changes(directories.look(), reread=False).values()) == [None]
    assert directories.changes(directories.look(), reread=True) == {}
