"""The tables [collect.log_tail.NAME] of a configuration, by which commands read files that are named to them."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hamon.analyze import ReadAs
from hamon.collect.log_tail_config import LogTailConfig
from hamon.config import Config


def tails_of(loaded: Config) -> Mapping[str, LogTailConfig]:
    """The log collectors by their names."""
    return {name: section for _, name, section in loaded.collectors() if isinstance(section, LogTailConfig)}


def read_as_of(tails: Mapping[str, LogTailConfig], named: Sequence[Sequence[str]], paths: Sequence[Path]) -> dict[Path, ReadAs]:
    """The files that a collector of the configuration reads, by its paths, or because it is said so."""
    chosen = {Path(path).resolve(): name for name, path in named}
    for path in paths:
        whole = path.resolve()
        for name, section in tails.items():
            if whole not in chosen and any(fnmatchcase(str(whole), glob) for glob in section.paths):
                chosen[whole] = name
    return {
        path: ReadAs(
            collector=name,
            path=str(path),
            form=tails[name].form,
            node=tails[name].node,
            timezone=tails[name].timezone,
            encodings=tails[name].encodings,
        )
        for path, name in chosen.items()
    }
