"""What the configuration names on this host: files of secrets and certificates, folders of rules and of the history."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hamon.config.found import Found
from hamon.config.sections import RulesConfig
from hamon.config.shape import alternatives
from hamon.config.toml import Location
from hamon.errors import StoreError
from hamon.section import DUPLICATE_SECRET, Section
from hamon.store.database import parse_url, sqlite_file
from hamon.store.store import StoreConfig

_READABLE = "the user that runs hamon must be able to read it"


def wrong_on_disk(location: Location, section: type[Section], table: Mapping[str, Any]) -> Iterator[Found]:
    """What of the files and folders that a table names would keep hamon from starting, or from using it."""
    yield from _wrong_secrets(location, section, table)
    yield from _wrong_certificates(location, section, table)
    if section is RulesConfig:
        yield from _missing_folders(location, table)
    if section is StoreConfig:
        yield from _no_place_for_the_history(location, table)


def _wrong_secrets(location: Location, section: type[Section], table: Mapping[str, Any]) -> Iterator[Found]:
    for name in section.secret_fields():
        file = table.get(f"{name}_file")
        if file is not None and table.get(name) is not None:
            message = f"{name} and {name}_file are both given"
            yield Found(
                id=DUPLICATE_SECRET, location=(*location, name), message=message, hint=f"take one of them out; {name}_file is the safer one"
            )
        if not isinstance(file, str):
            continue
        try:
            secret = Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError) as err:
            reason = (err.strerror if isinstance(err, OSError) else None) or "not UTF-8 text"
            yield Found(
                id="secret-file-unreadable", location=(*location, f"{name}_file"), message=f"cannot be read: {reason}", hint=_READABLE
            )
        else:
            if not secret.strip("\r\n"):
                yield Found(
                    id="secret-file-empty",
                    location=(*location, f"{name}_file"),
                    message="the file is empty",
                    hint="write the secret into it",
                )


def _wrong_certificates(location: Location, section: type[Section], table: Mapping[str, Any]) -> Iterator[Found]:
    """All files but those of secrets are PEM files."""
    secrets = {f"{name}_file" for name in section.secret_fields()}
    readable = {}
    for name, field in section.model_fields.items():
        file = table.get(name)
        if not name.endswith("_file") or name in secrets or Path not in alternatives(field.annotation) or not isinstance(file, str):
            continue
        try:
            with Path(file).open("rb") as opened:
                opened.read(1)
        except (OSError, ValueError) as err:
            reason = (err.strerror if isinstance(err, OSError) else None) or "no name of a file"
            yield Found(id="file-unreadable", location=(*location, name), message=f"cannot be read: {reason}", hint=_READABLE)
            continue
        readable[name] = file
        if name.endswith("ca_file"):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
            except (OSError, ssl.SSLError):
                hint = "give a PEM file with the certificates of the authorities"
                yield Found(id="certificate-unusable", location=(*location, name), message="holds no certificate", hint=hint)
    if "certificate_file" in readable and "key_file" in readable:
        try:
            # An empty passphrase, so that nobody is asked for one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(readable["certificate_file"], readable["key_file"], password="")
        except (OSError, ssl.SSLError, ValueError):
            message = "the certificate and its key cannot be used together"
            hint = "certificate_file and key_file must be PEM files that belong together, the key without a passphrase"
            yield Found(id="certificate-unusable", location=(*location, "certificate_file"), message=message, hint=hint)


def _missing_folders(location: Location, table: Mapping[str, Any]) -> Iterator[Found]:
    paths = table.get("paths")
    for index, path in enumerate(paths if isinstance(paths, list) else []):
        if isinstance(path, str) and not Path(path).is_dir():
            hint = "create the folder, or take it out of the list"
            yield Found(id="missing-folder", location=(*location, "paths", index), message="there is no such folder", hint=hint)


def _no_place_for_the_history(location: Location, table: Mapping[str, Any]) -> Iterator[Found]:
    url = table.get("url")
    try:
        file = sqlite_file(parse_url(url)) if isinstance(url, str) else None
    except StoreError:
        return  # the section tells it
    if file is not None and not file.parent.is_dir():
        hint = f"create {file.parent.absolute()}, and let the user that runs hamon write there"
        yield Found(id="missing-folder", location=(*location, "url"), message="the folder of the database does not exist", hint=hint)
