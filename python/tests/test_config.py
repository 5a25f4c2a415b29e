"""Configuration: the same keys, sources and mistakes as in C++."""

from __future__ import annotations

from pathlib import Path

import odeon
import pytest
from odeon import config
from odeon.errors import ConfigError, NotFound

BANK = config.Key("bank.accounts", "integer", "10", "How many accounts there are.", unit="accounts",
                  min="2")
PAUSE = config.Key("bank.pause", "duration", "0s", "Wait between two transfers.")
MODE = config.Key("bank.mode", "choice", "safe", "How it works.", choices=("safe", "fast"))
TAGS = config.Key("bank.*.tags", "string_list", "", "Of a branch.")


def test_values_have_their_types_and_know_their_origin(tmp_path: Path) -> None:
    file = tmp_path / "odeon.toml"
    file.write_text('[core]\nworkers = 3\nask_timeout = "250ms"\n\n[dispatcher.io]\n'
                    'kind = "blocking"\n', "utf-8")
    settings = config.load(file, environment={"ODEON_CORE__WORKERS": "4", "PATH": "/bin"},
                           overrides=["core.slow_handler=2min"])
    assert settings["core.workers"] == 4
    assert settings["core.ask_timeout"] == 0.25
    assert settings["core.slow_handler"] == 120.0
    assert settings["dispatcher.io.kind"] == "blocking" and settings.names("dispatcher") == ["io"]
    assert settings.origin("core.workers") == "environment ODEON_CORE__WORKERS"
    assert settings.origin("core.ask_timeout") == f"{file}:3"
    assert settings.origin("core.slow_handler") == "command line"
    assert settings.origin("core.shutdown_limit") == "default"
    assert "core.workers" in set(settings) and "core.wrkers" not in settings
    assert len(settings) == len(list(settings)) >= 6


def test_mistakes_name_file_line_and_key_all_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        config.load("app.toml", toml='[core]\nworkers = "many"\nworker = 3\n',
                    environment={"ODEON_CORE__ASK_TIMEOUT": "soon"}, overrides=["core.workers"])
    lines = str(raised.value).splitlines()
    assert any(line.startswith("app.toml:2: 'core.workers' must be an integer") for line in lines)
    assert any(line.startswith("app.toml:3: unknown key 'core.worker'; did you mean 'core.workers'")
               for line in lines)
    assert any("ODEON_CORE__ASK_TIMEOUT" in line and "duration" in line for line in lines)
    assert any(line.startswith("command line: ") for line in lines)


def test_tables_in_hand_take_numbers_for_spans_and_are_named_in_mistakes() -> None:
    settings = config.load(values={"core": {"ask_timeout": 1.5, "workers": 2}, "bank.pause": 3},
                           keys=[PAUSE], environment={})
    assert settings["core.ask_timeout"] == 1.5 and settings["core.workers"] == 2
    assert settings["bank.pause"] == 3.0
    assert settings.origin("core.workers") == "values"
    with pytest.raises(ConfigError, match="^values: unknown key 'core.worker'"):
        config.load(values={"core": {"worker": 2}}, environment={})
    with pytest.raises(ConfigError, match="'core.workers' has a value of object"):
        config.load(values={"core": {"workers": object()}}, environment={})


def test_a_program_declares_keys_of_its_own() -> None:
    settings = config.load(overrides=["bank.accounts=12", "bank.mode=fast", "bank.north.tags=a,b"],
                           keys=[BANK, PAUSE, MODE, TAGS], environment={})
    assert (settings["bank.accounts"], settings["bank.mode"]) == (12, "fast")
    assert settings["bank.north.tags"] == ["a", "b"]
    entry = next(each for each in settings.describe() if each.key == "bank.accounts")
    assert (entry.value, entry.default, entry.origin) == ("12", "10", "command line")
    assert "accounts" in entry.type and entry.sentence == "How many accounts there are."
    with pytest.raises(ConfigError, match="bank.accounts"):
        config.load(overrides=["bank.accounts=1"], keys=[BANK], environment={})
    with pytest.raises(ConfigError, match="safe, fast"):
        config.load(overrides=["bank.mode=slow"], keys=[MODE], environment={})


def test_a_key_that_is_not_declared_is_a_key_error() -> None:
    settings = config.load(environment={})
    with pytest.raises(KeyError):
        settings["core.wrkers"]
    with pytest.raises(KeyError):
        settings.origin("core.wrkers")
    assert settings.get("core.wrkers", 7) == 7


def test_a_wrong_declaration_is_refused() -> None:
    with pytest.raises(odeon.OdeonError):
        config.load(keys=[config.Key("nodot", "integer", "1", "No segment.")], environment={})
    with pytest.raises(odeon.OdeonError):
        config.load(keys=[BANK, config.Key("bank.accounts", "string", "", "Twice.")],
                    environment={})
    with pytest.raises(ValueError, match="no type"):
        config.load(keys=[config.Key("bank.size", "bytes", "1", "An unknown type.")],
                    environment={})


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="gone.toml"):
        config.load(tmp_path / "gone.toml")


def test_a_system_takes_a_path_a_dict_or_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "odeon.toml"
    file.write_text('[core]\nask_timeout = "7s"\n', "utf-8")
    with odeon.ActorSystem.start("a", config=file) as system:
        assert system.config["core.ask_timeout"] == 7.0
    with odeon.ActorSystem.start("b", config={"core": {"shutdown_limit": 3}}) as system:
        assert system.config["core.shutdown_limit"] == 3.0 and system._limit == 3.0
    with odeon.ActorSystem.start("c", config=config.load(environment={})) as system:
        assert system.config.origin("core.workers") == "default"
    with odeon.ActorSystem.start("d") as system:
        assert system.config["core.ask_timeout"] == 5.0
    with pytest.raises(ConfigError, match="core.worker"):
        odeon.ActorSystem.start("e", config={"core": {"worker": 3}})
    with pytest.raises(TypeError, match="config is a path"):
        odeon.ActorSystem.start("f", config=7)


def test_the_configuration_acts_and_an_option_of_the_call_wins() -> None:
    class Mute(odeon.Actor[str]):
        def receive(self, msg: str, ctx: odeon.Context) -> None:
            self.kept = ctx.reply_to()

    values = {"core": {"ask_timeout": 0.01}}
    with odeon.ActorSystem.start("quick", config=values) as system:
        with pytest.raises(odeon.AskTimeout):
            system.spawn(Mute).ask_blocking("x")
    with odeon.ActorSystem.start("wins", config={"core": {"ask_timeout": 600}},
                                 ask_timeout=0.01) as system:
        with pytest.raises(odeon.AskTimeout):
            system.spawn(Mute).ask_blocking("x")
