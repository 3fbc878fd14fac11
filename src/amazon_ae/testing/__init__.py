"""Test a host without Amazon: fakes, a virtual clock, and contract suites for the parts a host replaces.

The library itself never imports this package, and nothing here imports pytest except `amazon_ae.testing.pytest`.
`__init__.pyi` lists the names. Each is imported on first access, so a host that needs a clock loads no web server.
"""

import lazy_loader

_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _import_name(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "amazon_ae"):
            raise
        raise ModuleNotFoundError(f"{name} needs {missing}: pip install 'amazon-ae[sandbox]'", name=missing) from error
