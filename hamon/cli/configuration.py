"""`hamon config` and `hamon db`: what is done before the first start."""

import argparse
import os

from hamon import config
from hamon.cli.options import OK, Commands, config_option, loaded_by
from hamon.rules.load import load_all
from hamon.store import migrate


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    conf = commands.add_parser("config", help="check the configuration, or print a sample").add_subparsers(metavar="COMMAND", required=True)
    checking = conf.add_parser("check", help="name all problems, with key and remedy; opens no connection")
    config_option(checking)
    checking.set_defaults(command=_config_check)
    sample = conf.add_parser("sample", help="print a configuration with every option, its meaning and its default")
    sample.set_defaults(command=_config_sample)

    database = commands.add_parser("db", help="prepare the database").add_subparsers(metavar="COMMAND", required=True)
    upgrade = database.add_parser("upgrade", help="bring the tables of the configured database up to date")
    config_option(upgrade)
    upgrade.set_defaults(command=_db_upgrade)


def _config_check(options: argparse.Namespace) -> int:
    loaded = loaded_by(options)
    load_all(loaded.rules.paths)
    for warning in config.warnings(loaded, options.config):
        print(f"warning: {warning}")
    print("the configuration is good")
    return OK


def _config_sample(_options: argparse.Namespace) -> int:
    print(config.sample(), end="")
    return OK


def _db_upgrade(options: argparse.Namespace) -> int:
    loaded = loaded_by(options)
    folder = config.state_directory(os.environ)
    if loaded.store.url is None and loaded.store.url_file is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate.upgrade(loaded.store.database_url(folder))
    print("the database is up to date")
    return OK
