"""The one configuration: composed of the sections that the packages declare, read from one TOML file and the environment.

Law: reading it opens no connection, and tells everything that is wrong at once. A new collector or notifier needs no change
here: its section is taken from the registry, and may carry `examples=[...]` for the sample.
"""

from hamon.config.option_table import Option, options, options_table
from hamon.config.reading import load, log_form, state_directory
from hamon.config.samples import sample
from hamon.config.sections import ClusterConfig, Config
from hamon.config.toml import as_toml
from hamon.config.warn import warnings

__all__ = [
    "ClusterConfig",
    "Config",
    "Option",
    "as_toml",
    "load",
    "log_form",
    "options",
    "options_table",
    "sample",
    "state_directory",
    "warnings",
]
