"""Configurations and their schema as people and programs read them."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from opensqt.config.load import load, load_settings
from opensqt.config.problems import Problem
from opensqt.config.schema import expectation
from opensqt.config.settings import (
    AccountSettings,
    AppSettings,
    PaperSettings,
    RaySettings,
    RemoteSettings,
    ReplaySettings,
    Settings,
    UnitSettings,
)
from opensqt.config.units import settings_of
from opensqt.core.money import to_text

MASK: Final = "**********"
_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "app": AppSettings,
    "remote": RemoteSettings,
    "accounts.NAME": AccountSettings,
    "paper": PaperSettings,
    "paper.replay": ReplaySettings,
    "ray": RaySettings,
    "trading": UnitSettings,
}


def problem_entry(problem: Problem) -> dict[str, object]:
    """Return a problem for programs."""
    return {
        "where": problem.where.text,
        "key": problem.key,
        "got": problem.got,
        "expected": problem.expected,
        "fix": problem.fix,
    }


def effective(path: Path, environment: Mapping[str, str]) -> dict[str, object]:
    """Return what takes effect, every default filled in, secrets masked, money as text."""
    deployment = load(path, environment)
    settings = load_settings(path, environment)
    shown = {
        name: _shown(value)
        for name, value in settings.model_dump().items()
        if name not in {"trading", "symbols"}
    }
    shown["trading"] = dict(deployment.defaults)
    shown["symbols"] = [
        {"target": unit.text} | settings_of(config) for unit, config in deployment.units
    ]
    return shown


def effective_yaml(path: Path, environment: Mapping[str, str]) -> str:
    """Return ``effective`` as YAML."""
    return yaml.safe_dump(effective(path, environment), sort_keys=False)


def schema_rows() -> list[tuple[str, str, str, str]]:
    """Return key, what it accepts, default and meaning of every key."""
    rows = [("key", "accepts", "default", "meaning")]
    for section, model in _SECTIONS.items():
        for name, field in model.model_fields.items():
            if expectation(field) == "a mapping":
                continue
            default = "-" if field.default is PydanticUndefined else str(_shown(field.default))
            meaning = field.description or ""
            rows.append((f"{section}.{name}", expectation(field), default or '""', meaning))
    targets = "targets, or mappings with target, template and keys of trading"
    rows.append(("symbols", "a list", "[]", targets))
    return rows


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a file; ``x-trading`` is that of ``trading`` and of symbols."""
    schema = Settings.model_json_schema()
    return schema | {"x-trading": UnitSettings.model_json_schema()}


def _shown(value: object) -> object:
    match value:
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case Decimal():
            return to_text(value)
        case Mapping():
            return {name: _shown(child) for name, child in value.items()}
        case list() | tuple():
            return [_shown(child) for child in value]
        case _:
            return value
