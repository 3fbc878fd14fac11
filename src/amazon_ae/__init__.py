"""Integrate a seller's warehouse with Amazon.ae and Amazon Easy Ship.

Every public name can be imported from here; `__init__.pyi` lists them. Each is imported on first access, so that
``import amazon_ae`` costs little and loads neither a browser library nor a database driver.
"""

import lazy_loader

_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("amazon-ae")
    return _import_name(name)
