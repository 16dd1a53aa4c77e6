"""An auditor's mirror: fetched, resumed, grown, and never talked out of what it has."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from bus.cli.app import cli
from bus.errors import Unavailable, UsageError
from bus.hub.serve import application
from bus.tlog.bundle import new_bundles
from bus.tlog.tile import tiles_of
from bus.verify import source
from bus.verify.fault import Fault, Wrong
from bus.verify.mirror import alone, fetch, verify_mirror
from bus.verify.report import Report
from bus.verify.subject import silent
from tests.unit.verify.support import POLICY, POLICY_TEXT, Log, leaf, leaves, note


class Served:
    """A log over HTTP that counts what is asked, and can fall over."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.asked = Counter[str]()
        self.breaks_after = 10**9
        self.url = ""
        self.stuck_after = 10**9
        self.stuck = asyncio.Event()

    @web.middleware
    async def watch(self, request: web.Request, handler) -> web.StreamResponse:
        """Count, and fail once it is time."""
        self.asked[request.path.lstrip("/")] += 1
        if self.asked.total() > self.breaks_after:
            raise web.HTTPServiceUnavailable
        if self.asked.total() > self.stuck_after:
            self.stuck.set()
            await asyncio.Event().wait()
        return await handler(request)


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A log of 700 entries, served as the publisher serves it."""
    monkeypatch.setattr(source, "ATTEMPTS", 1)
    log = Log(tmp_path / "published")
    log.grow(leaves(700))
    found = Served(log)
    app = application(log.files)
    app.middlewares.append(found.watch)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield found
    await runner.cleanup()


async def mirrored(where: str, folder: Path, since: bytes | None = None) -> Report:
    """Fetch and verify."""
    report = Report()
    claim = await fetch(where, folder, POLICY)
    verify_mirror(folder, claim, POLICY, report, since=since, jobs=1, progress=silent)
    return report


async def fails(where: str, folder: Path) -> Fault:
    """What is wrong."""
    with pytest.raises(Wrong) as caught:
        await mirrored(where, folder)
    return caught.value.fault


def files_of(folder: Path) -> dict[str, bytes]:
    """The tiles and bundles of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (folder / "tile").rglob("*")
        if path.is_file()
    }


async def test_a_mirror_is_the_log_and_grows_by_what_is_new(served: Served, tmp_path: Path) -> None:
    """The copy has the log's files; later runs ask for the checkpoint, and for what was not there before."""
    mirror = tmp_path / "mirror"
    assert (await mirrored(served.url, mirror)).size == 700
    assert files_of(mirror) == files_of(served.log.files)
    served.asked.clear()
    await mirrored(served.url, mirror)
    assert served.asked == {"checkpoint": 1}
    served.log.grow(leaves(1000)[700:])
    served.asked.clear()
    report = await mirrored(served.url, mirror)
    assert report.size == 1000
    assert any("1 earlier checkpoints" in check.detail for check in report.checks)
    assert set(served.asked) == {
        "checkpoint", "tile/0/002", "tile/0/003.p/232", "tile/1/000.p/3", "tile/entries/002", "tile/entries/003.p/232",
    }  # fmt: skip
    assert files_of(mirror).items() <= files_of(served.log.files).items()
    assert set(files_of(mirror)) == {one.path for one in (*tiles_of(1000), *new_bundles(0, 1000))}
    assert sorted(path.name for path in (mirror / "checkpoints").iterdir()) == ["1000", "700"]


async def test_an_interrupted_mirror_goes_on_where_it_was(served: Served, tmp_path: Path) -> None:
    """What was fetched before the server went away is not fetched again, and no checkpoint is kept before the end."""
    mirror = tmp_path / "mirror"
    served.breaks_after = 4
    with pytest.raises(Unavailable, match="cannot be fetched"):
        await mirrored(served.url, mirror)
    assert not (mirror / "checkpoint").exists()
    have = set(files_of(mirror))
    assert have
    served.breaks_after = 10**9
    served.asked.clear()
    await mirrored(served.url, mirror)
    assert not have & set(served.asked)
    assert files_of(mirror) == files_of(served.log.files)
    assert not list(mirror.rglob(".*.part"))


async def test_a_narrow_tile_that_has_gone_is_cut_from_the_whole_one(served: Served, tmp_path: Path) -> None:
    """The log has grown between its checkpoint and its tiles: the whole tile will do."""
    older = (served.log.files / "checkpoint").read_bytes()
    served.log.grow(leaves(1024)[700:])
    (served.log.files / "checkpoint").write_bytes(older)
    mirror = tmp_path / "mirror"
    assert (await mirrored(served.url, mirror)).size == 700
    assert (mirror / "tile/0/002").is_file()
    (served.log.files / "checkpoint").write_bytes((served.log.kept / "1024").read_bytes())
    assert (await mirrored(served.url, mirror)).size == 1024


async def test_a_log_that_shows_less_than_before_is_caught(served: Served, tmp_path: Path) -> None:
    """A rolled-back log is named, and the checkpoint that proves it is kept aside."""
    mirror, older = tmp_path / "mirror", (served.log.files / "checkpoint").read_bytes()
    served.log.grow(leaves(800)[700:])
    await mirrored(served.url, mirror)
    (served.log.files / "checkpoint").write_bytes(older)
    fault = await fails(served.url, mirror)
    assert (fault.check, fault.index) == ("rolled-back", 700)
    (proof,) = (mirror / "rejected").iterdir()
    assert proof.read_bytes() == older
    assert fault.sentence.endswith(f" The checkpoint that proves it is kept: {proof}.")


def test_a_proof_is_told_until_somebody_removes_it(tmp_path: Path) -> None:
    """A log that was caught is false for every later run, though it shows the right history again and is followed."""
    log, mirror = Log(tmp_path / "published"), tmp_path / "mirror"
    older = log.grow(leaves(300))
    newer = log.grow(leaves(310)[300:])
    (tmp_path / "policy").write_text(POLICY_TEXT)
    arguments = ["audit", "verify", "--policy", str(tmp_path / "policy"), "-o", "json"]
    arguments += ["--mirror", str(mirror), "--from", str(log.files)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    (log.files / "checkpoint").write_bytes(older)
    assert CliRunner().invoke(cli, arguments).exit_code == 3
    again = json.loads(CliRunner().invoke(cli, arguments).stdout)
    assert [one["check"] for one in again["checks"] if not one["holds"]] == ["rolled-back", "proof-kept"]
    assert again["fault"]["check"] == "rolled-back"
    (log.files / "checkpoint").write_bytes(newer)
    log.grow(leaves(320)[310:])
    (proof,) = (mirror / "rejected").iterdir()
    for _ in range(2):
        done = CliRunner().invoke(cli, arguments)
        told = json.loads(done.stdout)
        assert (done.exit_code, told["size"], told["fault"]["check"]) == (3, 320, "proof-kept")
        assert str(proof) in done.stderr
    proof.unlink()
    assert CliRunner().invoke(cli, arguments).exit_code == 0


@pytest.mark.parametrize("size", [700, 800, 1100])
async def test_a_log_that_shows_another_history_is_caught(served: Served, tmp_path: Path, size: int) -> None:
    """Rewritten, signed and cosigned anew: whoever has an old mirror finds it, and keeps the proof."""
    mirror = tmp_path / "mirror"
    await mirrored(served.url, mirror)
    before = files_of(mirror)
    entries = [*leaves(600), leaf(600, outcome=3, policy=b"?" * 32), *leaves(size)[601:]]
    other = Log(tmp_path / "other")
    shown = other.grow(entries)
    fault = await fails(str(other.files), mirror)
    assert fault.check == "forked", fault
    assert fault.index == (700 if size == 700 else 600)
    assert [path.read_bytes() for path in (mirror / "rejected").iterdir()] == [shown]
    assert (mirror / "checkpoint").read_bytes() == (served.log.files / "checkpoint").read_bytes()
    assert before.items() <= files_of(mirror).items()


async def test_a_broken_file_is_named_and_fetched_again(served: Served, tmp_path: Path) -> None:
    """A server's broken bundle is found by its entry, set aside, and asked for again by the next run."""
    path, mirror = served.log.files / "tile/entries/001", tmp_path / "mirror"
    good = path.read_bytes()
    path.write_bytes(good[:1000] + b"?" + good[1001:])
    fault = await fails(served.url, mirror)
    assert (fault.check, fault.index, fault.place) == ("entry-changed", 256 + 1000 // 376, "tile/entries/001")
    assert (mirror / "tile/entries/001.wrong").is_file()
    path.write_bytes(good[:-1])
    assert (await fails(served.url, mirror)).check == "file-malformed"
    path.unlink()
    assert (await fails(served.url, mirror)).check == "file-missing"
    path.write_bytes(good)
    assert (await mirrored(served.url, mirror)).holds


async def test_a_checkpoint_that_nobody_believes_fetches_nothing(served: Served, tmp_path: Path) -> None:
    """Without a quorum, no file is asked for."""
    (served.log.files / "checkpoint").write_bytes(note(700, b"r" * 32, witnesses=0))
    assert (await fails(served.url, tmp_path / "mirror")).check == "checkpoint-quorum"
    assert served.asked == {"checkpoint": 1}


async def test_what_is_no_log_is_said_so(tmp_path: Path) -> None:
    """A folder that is not there is a mistake in the command; a server that is not there is away."""
    with pytest.raises(UsageError, match="neither a URL nor a folder"):
        await fetch(str(tmp_path / "none"), tmp_path, POLICY)
    with pytest.raises(Unavailable):
        await fetch("http://127.0.0.1:1", tmp_path, POLICY)
    with pytest.raises(Unavailable, match="no checkpoint has been published"):
        await fetch(str(tmp_path), tmp_path, POLICY)


def test_the_command_mirrors_and_ends_with_3(tmp_path: Path) -> None:
    """From a folder: holds, then after a flip of one's own copy it is false, with the sentence and the index."""
    log = Log(tmp_path / "published")
    log.grow(leaves(300))
    (tmp_path / "policy").write_text(POLICY_TEXT)
    common = ["audit", "verify", "--policy", str(tmp_path / "policy"), "-o", "json"]
    arguments = [*common, "--mirror", str(tmp_path / "mirror"), "--from", str(log.files)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.stderr
    assert "Nothing is wrong: 300 entries" in done.stderr
    path = tmp_path / "mirror" / "tile" / "0" / "000"
    path.write_bytes(b"?" + path.read_bytes()[1:])
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 3
    assert json.loads(done.stdout)["fault"]["place"] == "tile/0/000"
    assert "FALSE (entry 0): tile/0/000 was changed" in done.stderr
    assert f"your own copy of the file, which may be all that is wrong: it was set aside as {path}.wrong" in done.stderr
    assert "Run the same again" in done.stderr
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert CliRunner().invoke(cli, [*common, "--from", str(log.files)]).exit_code == 2
    assert CliRunner().invoke(cli, [*common, "--mirror", str(tmp_path / "mirror")]).exit_code == 5


def test_what_is_no_checkpoint_or_folder_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    """A file for --since that holds no checkpoint accuses nobody; a folder that is not there is named."""
    log = Log(tmp_path / "published")
    log.grow(leaves(3))
    policy = tmp_path / "policy"
    policy.write_text(POLICY_TEXT)
    common = ["audit", "verify", "--policy", str(policy), "--files-only", "--published"]
    for since in (policy, log.files / "tile/0/000.p/3"):
        done = CliRunner().invoke(cli, [*common, str(log.folder), "--since", str(since)])
        assert (done.exit_code, f"--since {since}: is not a checkpoint" in done.stderr) == (2, True)
        assert "FALSE" not in done.output
    older = str(log.files / "checkpoint")
    assert CliRunner().invoke(cli, [*common, str(log.folder), "--since", older]).exit_code == 0
    done = CliRunner().invoke(cli, [*common, str(tmp_path / "typo")])
    assert (done.exit_code, str(tmp_path / "typo") in done.stderr) == (2, True)


async def hostile(log: Log, answer) -> AsyncIterator[str]:
    """A server that answers every request with what a coroutine makes of it, or with the log's own file."""

    async def serve(request: web.Request) -> web.StreamResponse:
        found = await answer(request)
        return web.FileResponse(log.files / request.match_info["path"]) if found is None else found

    app = web.Application()
    app.router.add_get("/{path:.+}", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def endless(request: web.Request) -> web.StreamResponse:
    """A body without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(1 << 16))


async def bomb(request: web.Request) -> web.StreamResponse:
    """Sixteen megabytes of zeros in a few kilobytes, to somebody who asked for it as it is."""
    response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
    await response.prepare(request)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    await response.write(packer.compress(bytes(1 << 24)))
    await response.write(packer.flush())
    return response


async def round_about(request: web.Request) -> web.StreamResponse:
    """Always somewhere else."""
    raise web.HTTPFound(f"/{request.path}/x")


async def short(request: web.Request) -> web.StreamResponse:
    """Less than was promised, and then nothing."""
    response = web.StreamResponse(headers={"Content-Length": "8192"})
    await response.prepare(request)
    await response.write(b"x")
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.mark.parametrize(
    ("trick", "where", "check"),
    [
        (endless, "tile/0/000", "file-malformed"),
        (endless, "tile/entries/000", "file-malformed"),
        (endless, "checkpoint", "checkpoint-malformed"),
        (bomb, "tile/0/000", "file-malformed"),
        (bomb, "checkpoint", "checkpoint-malformed"),
        (round_about, "tile/0/001", None),
        (short, "tile/0/001", None),
    ],
)
async def test_a_hostile_server_gets_no_more_than_a_file_may_have(
    served: Served, tmp_path: Path, trick, where: str, check: str | None
) -> None:
    """What never ends or unpacks to anything is cut and named; who only leads astray is away."""

    async def answer(request: web.Request) -> web.StreamResponse | None:
        return await trick(request) if request.path.startswith(f"/{where}") else None

    async for url in hostile(served.log, answer):
        if check is None:
            with pytest.raises(Unavailable, match="cannot be fetched"):
                await mirrored(url, tmp_path / "mirror")
        else:
            assert (await fails(url, tmp_path / "mirror")).check == check
    assert (await mirrored(served.url, tmp_path / "mirror")).holds


async def test_a_size_that_nothing_is_served_of_is_not_counted_out(served: Served, tmp_path: Path) -> None:
    """A signed checkpoint may claim more entries than there are atoms: the first file that lacks ends it."""
    (served.log.files / "checkpoint").write_bytes(note((1 << 63) - 1, b"r" * 32, time_s=1))
    fault = await fails(served.url, tmp_path / "mirror")
    assert (fault.check, fault.place) == ("file-missing", "tile/0/002")
    with pytest.raises(Wrong, match=r"tile/0/002|tile/entries/002"):
        served.log.verify()


async def test_a_mirror_of_another_log_is_left_as_it_is(served: Served, tmp_path: Path) -> None:
    """That is a mistake in the command, and no accusation; not a file of it is touched."""
    mirror = tmp_path / "mirror"
    await mirrored(served.url, mirror)
    kept = mirror / "checkpoints" / "700"
    kept.write_bytes(kept.read_bytes().replace(b"ledger.test", b"ledger.rest", 1))
    before = files_of(mirror)
    served.log.grow(leaves(800)[700:])
    with pytest.raises(UsageError, match=r"is a mirror of ledger\.rest"):
        await mirrored(served.url, mirror)
    assert files_of(mirror) == before


async def test_what_a_mirror_says_that_it_holds_must_be_signed(served: Served, tmp_path: Path) -> None:
    """A name and some bytes accuse nobody of having rolled back."""
    mirror = tmp_path / "mirror"
    await mirrored(served.url, mirror)
    (mirror / "checkpoints" / "99999").write_bytes(b"garbage")
    fault = await fails(served.url, mirror)
    assert (fault.check, fault.place) == ("checkpoint-malformed", "checkpoints/99999")
    (mirror / "checkpoints" / "99999").unlink()
    (mirror / "checkpoints" / "99999").mkdir()
    assert (await fails(served.url, mirror)).check == "checkpoint-malformed"


async def test_what_is_no_file_in_a_mirror_is_put_aside(served: Served, tmp_path: Path) -> None:
    """A folder or a pipe in a tile's place is named and not waited for; the next run fetches the tile."""
    mirror = tmp_path / "mirror"
    await mirrored(served.url, mirror)
    for make in (Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (mirror / "tile/0/000").unlink()
        make(mirror / "tile/0/000")
        fault = await fails(served.url, mirror)
        assert (fault.check, fault.place) == ("file-malformed", "tile/0/000")
        assert (await mirrored(served.url, mirror)).holds


async def test_a_folder_that_cannot_be_written_is_said_so(served: Served, tmp_path: Path) -> None:
    """One error that names the file, not a bundle of them; and what came before it stays."""
    mirror = tmp_path / "mirror"
    (mirror / "tile").mkdir(parents=True)
    (mirror / "tile" / "entries").write_bytes(b"")
    with pytest.raises(OSError, match="entries"):
        await mirrored(served.url, mirror)
    (mirror / "tile" / "entries").unlink()
    assert (await mirrored(served.url, mirror)).holds


async def test_a_folder_with_something_else_in_it_is_no_source(served: Served, tmp_path: Path) -> None:
    """A pipe where the checkpoint should be is not waited for."""
    (served.log.files / "checkpoint").unlink()
    os.mkfifo(served.log.files / "checkpoint")
    with pytest.raises(Unavailable, match="cannot be read"):
        await mirrored(str(served.log.files), tmp_path / "mirror")


def test_one_run_works_in_a_mirror(tmp_path: Path) -> None:
    """A second one at the same time is told, and can be tried again."""
    log = Log(tmp_path / "published")
    log.grow(leaves(3))
    (tmp_path / "policy").write_text(POLICY_TEXT)
    mirror = tmp_path / "mirror"
    arguments = ["--policy", str(tmp_path / "policy"), "--mirror", str(mirror), "--from", str(log.files)]
    with alone(mirror):
        done = CliRunner().invoke(cli, ["audit", "verify", *arguments])
        assert (done.exit_code, "another run works" in done.stderr) == (5, True)
    assert CliRunner().invoke(cli, ["audit", "verify", *arguments]).exit_code == 0


async def test_fetches_go_side_by_side_and_stop_together(served: Served, tmp_path: Path) -> None:
    """A cancelled run leaves whole files and no task behind."""
    served.stuck_after = 3
    task = asyncio.create_task(fetch(served.url, tmp_path / "mirror", POLICY))
    await served.stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    served.stuck_after = 10**9
    assert (await mirrored(served.url, tmp_path / "mirror")).holds
