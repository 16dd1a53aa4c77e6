"""What holds for every command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from bus import __version__, errors
from bus.cli.app import Root, cli
from bus.cli.base import LazyGroup

EXIT_CODES = {
    errors.BusError: 1,
    errors.UsageError: 2,
    errors.CheckFailed: 3,
    errors.NotAllowed: 4,
    errors.Unavailable: 5,
    errors.ReceiptTimeout: 5,
}


def tree(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from tree(found, (*path, name))


COMMANDS = {" ".join(path) or "bus": (path, command) for path, command in tree()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples_that_call_it(name: str):
    """``--help`` works everywhere, and ends with examples of that very command."""
    path, _ = COMMANDS[name]
    for flag in ("--help", "-h"):
        result = CliRunner().invoke(cli, [*path, flag])
        assert result.exit_code == 0
    examples = result.stdout.partition("\nExamples:\n")[2]
    assert " ".join(["bus", *path]) in examples


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_variable_that_its_help_names(name: str):
    """Each option can be set by a BUS_ variable, and the help says which."""
    path, command = COMMANDS[name]
    result = CliRunner().invoke(cli, [*path, "--help"])
    text = " ".join(result.stdout.split())
    options = [p for p in command.params if isinstance(p, click.Option) and p.name not in {"help", "version"}]
    assert text.count("env var: BUS_") == len(options)


@pytest.mark.parametrize("name", COMMANDS)
def test_lists_of_commands_name_what_is_there(name: str):
    """A group's help, written without importing its commands, tells of commands that exist under that name."""
    _, command = COMMANDS[name]
    if isinstance(command, LazyGroup):
        for word in command.lazy:
            found = command.get_command(click.Context(command), word)
            assert found is not None
            assert found.name == word


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["audit", "--help"], ["completion", "bash"]])
def test_help_imports_nothing_heavy(args: list[str]):
    """Help, version and completion load no client, codec or cryptography."""
    program = (
        "import sys; from bus.cli import main\n"
        f"sys.argv = ['bus', *{args!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = 'aiokafka asyncpg confluent_kafka fastavro cryptography nacl rich structlog msgspec asyncio'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_version_is_the_packages():
    """``--version`` says what was installed."""
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"bus {__version__}\n"


def test_an_unknown_command_is_met_with_what_is_near():
    """A misspelt command ends with 2 and a suggestion."""
    result = CliRunner().invoke(cli, ["pubish"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Did you mean 'publish'?" in result.stderr
    assert "hint: `bus --help` shows how." in result.stderr


def test_a_wrong_flag_ends_with_2():
    """Usage errors are told on stderr, with the help to look at."""
    result = CliRunner().invoke(cli, ["audit", "search", "--nonsense"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "bus audit search --help" in result.stderr


def test_no_command_shows_help():
    """``bus`` alone tells what there is."""
    result = CliRunner().invoke(cli, [])
    assert "Commands:" in result.output


def failing(error: BaseException) -> click.Command:
    """A command line whose one command raises."""
    root = Root("bus", examples="bus fail", context_settings={"auto_envvar_prefix": "BUS"})

    @root.command("fail")
    def fail() -> None:
        raise error

    return root


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_each_error_has_its_exit_code(kind: type[errors.BusError]):
    """An error is one sentence on stderr, its next step another, and nothing on stdout."""
    result = CliRunner().invoke(failing(kind("it broke", hint="Mend it.")), ["fail"])
    assert (result.exit_code, result.stdout) == (EXIT_CODES[kind], "")
    assert result.stderr == "error: it broke\nhint: Mend it.\n"


def test_an_unforeseen_error_is_one_line_unless_more_is_asked_for():
    """A fault of ours shows its traceback under -v only."""
    result = CliRunner().invoke(failing(ZeroDivisionError("nought")), ["fail"])
    assert result.exit_code == 1
    assert "ZeroDivisionError: nought" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in CliRunner().invoke(failing(ZeroDivisionError("nought")), ["-v", "fail"]).stderr
    assert "Traceback" in CliRunner().invoke(failing(ZeroDivisionError("x")), ["fail"], env={"BUS_VERBOSE": "1"}).stderr


def test_an_error_without_words_is_named():
    """An asyncio time-out says nothing at all, and is an OSError: whoever reads of it learns that it was one."""
    result = CliRunner().invoke(failing(TimeoutError()), ["fail"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: TimeoutError\nhint: This is a fault of ours.")


def test_an_interrupt_ends_with_130():
    """Ctrl-C is no error and no traceback."""
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr


def test_a_reader_that_has_enough_ends_it_quietly():
    """``bus … | head`` leaves no traceback."""
    line = f"{sys.executable} -m bus schema show Report -o ndjson | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["field"] == "header.nonce"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("args", "env", "expected"),
    [
        (["audit", "stats"], {}, "env"),
        (["--home", "root", "audit", "stats"], {}, "root"),
        (["audit", "stats", "--home", "leaf"], {}, "leaf"),
        (["--home", "root", "audit", "--home", "group", "stats", "--home", "leaf"], {}, "leaf"),
        (["audit", "stats"], {"BUS_HOME": ""}, ".bus"),
    ],
)
def test_the_nearest_word_says_which_state_folder(home, args: list[str], env: dict[str, str], expected: str):
    """--home on the command line beats BUS_HOME, wherever it stands; without either it is ./.bus."""
    result = CliRunner().invoke(cli, args, env={"BUS_HOME": "env", **env})
    assert home
    assert f"there is no sandbox in {expected}\n" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str):
    """Each shell gets a script that calls the command back."""
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_BUS_COMPLETE" in result.stdout


def test_organisations_are_completed(stopped):
    """--as offers the organisations of the sandbox."""
    words = {"COMP_WORDS": "bus publish --as a", "COMP_CWORD": "3", "_BUS_COMPLETE": "bash_complete"}
    env = {"BUS_HOME": str(stopped), "PATH": "", **words}
    done = subprocess.run(
        [sys.executable, "-c", "from bus.cli import main; main()"], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["plain,audit-one", "plain,audit-two"]


def completed(*words: str) -> list[str]:
    """What a shell would offer for the last word."""
    offered = ShellComplete(cli, {}, "bus", "_BUS_COMPLETE").get_completions([*words[:-1]], words[-1])
    return [item.value for item in offered]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("audit search --type hashh", ["HashHit"]),
        ("audit search --reason signature-m", ["signature-missing", "signature-malformed"]),
        ("audit search --as ", ["audit-one", "audit-two"]),
        ("notice --measure geo", ["geo_block"]),
        ("notice --deadline eu-tco", ["eu-tco-remove", "eu-tco-preserve"]),
        ("recall EVENT --reason e", ["error"]),
        ("ack EVENT --step f", ["fetched"]),
        ("refer EVENT --priority i", ["immediate"]),
        ("schema example HashHit --step c", ["confirmed"]),
        ("publish --to t", ["tidewave"]),
        ("publish --format pd", ["pdq"]),
    ],
)
def test_values_are_completed_where_they_are_known(stopped, words: str, offered: list[str]):
    """Types, codes, steps, deadlines, organisations and formats; only auditors ask the ledger."""
    assert stopped
    assert completed(*words.split(" ")) == offered


@pytest.mark.parametrize("name", COMMANDS)
def test_every_code_step_type_and_organisation_can_be_completed(name: str):
    """Whoever adds an option of these metavars gives it a completion, or hears of it here."""
    _, command = COMMANDS[name]
    for param in command.params:
        if param.metavar in {"CODE", "STEP", "TYPE", "ORG", "FILE|-"}:
            assert vars(param)["_custom_shell_complete"] is not None, param.name


@pytest.mark.parametrize("name", [name for name, (_, found) in COMMANDS.items() if isinstance(found, click.Group)])
def test_a_group_alone_prints_its_help(name: str):
    """Without a command, a group says on stderr what it has, and calls nothing an error; exit code 2."""
    result = CliRunner().invoke(cli, name.split() if name != "bus" else [], standalone_mode=True)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: bus")


def test_the_form_of_other_commands_is_no_mistake(monkeypatch: pytest.MonkeyPatch):
    """BUS_OUTPUT holds for all commands: one that lacks that form keeps its own and says so once; a wrong word ends it."""
    monkeypatch.setenv("BUS_OUTPUT", "csv")
    args = ["schema", "example", "HashHit", "--as", "acme", "--to", "other", "--nation", "SE"]
    result = CliRunner().invoke(cli, args)
    assert json.loads(result.stdout)["type"] == "HashHit"
    assert result.stderr.count("BUS_OUTPUT=csv is no form of this command") == 1
    monkeypatch.setenv("BUS_OUTPUT", "yaml")
    assert CliRunner().invoke(cli, args).exit_code == 2
