"""Importing one venue of ccxt without the other hundred.

``import ccxt.pro`` runs every venue's module: five seconds of processor time, 116 MB, and a crashed
connector has to be back within eight seconds. So the three package modules (``ccxt``,
``ccxt.async_support``, ``ccxt.pro``) are put in place empty, resolving their names on first use,
and only the wanted venue is imported. A process that has already imported the real packages keeps
them.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_SHARED: Final = ("ccxt.base.errors", "ccxt.base.decimal_to_precision")


def exchange_class(venue: str, *, streaming: bool = False) -> type[Any]:
    """Return ccxt's asynchronous class of a venue; ``streaming`` adds its WebSocket methods.

    Raise ``ModuleNotFoundError`` when this ccxt has no such venue.
    """
    _place_packages()
    package = "ccxt.pro" if streaming else "ccxt.async_support"
    found: type[Any] = getattr(importlib.import_module(f"{package}.{venue}"), venue)
    return found


def _place_packages() -> None:
    if "ccxt" in sys.modules:
        return
    spec = importlib.util.find_spec("ccxt")
    if spec is None or spec.origin is None:
        message = "ccxt is not installed"
        raise ModuleNotFoundError(message)
    root = Path(spec.origin).parent
    exchanges = {
        "ccxt": "ccxt.base.exchange",
        "ccxt.async_support": "ccxt.async_support.base.exchange",
        "ccxt.pro": "ccxt.async_support.base.exchange",
    }
    for name, exchange in exchanges.items():
        path = root.joinpath(*name.split(".")[1:])
        sys.modules[name] = _LazyPackage(name, path, exchange)
    for name in ("async_support", "pro"):
        setattr(sys.modules["ccxt"], name, sys.modules[f"ccxt.{name}"])


class _LazyPackage(ModuleType):
    """A package that finds its public names when they are asked for."""

    def __init__(self, name: str, path: Path, exchange: str) -> None:
        super().__init__(name)
        self.__path__ = [str(path)]
        self.__package__ = name
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__spec__.submodule_search_locations = self.__path__
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._find(name)
        setattr(self, name, found)
        return found

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds a venue's module to its package; the real packages bind the class
        # of the same name, and ccxt's own modules rely on that.
        if isinstance(value, ModuleType) and isinstance(getattr(value, name, None), type):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def _find(self, name: str) -> Any:
        if name == "Exchange":
            return importlib.import_module(self._exchange).Exchange
        for shared in _SHARED:
            module = importlib.import_module(shared)
            if hasattr(module, name):
                return getattr(module, name)
        try:
            module = importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(name) from error
        return getattr(module, name, module)
