"""What the README of the folder says of the kinds, the headers and the body."""

import re
from pathlib import Path

from hamon import notify
from hamon.notify.webhook import AGAIN, CREDENTIALS, MAX_TIMELINE, NOBODY, WebhookConfig, body, incident_fields
from tests.notify.stories import INCIDENT, notification

README = (Path(notify.__file__).parent / "README.md").read_text(encoding="utf-8")


def table(first_cell: str) -> set[str]:
    """The names in the first column of the table with this heading."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_cell} |")) + 2
    names: set[str] = set()
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        names |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return names


def test_every_kind_of_target_is_described() -> None:
    assert table("kind") == set(notify.NOTIFIERS)


def test_every_field_of_the_webhook_body_is_described() -> None:
    assert table("field") == set(body(notification()))
    assert table("field of `incident`") == set(incident_fields(INCIDENT))
    entry = incident_fields(INCIDENT)["timeline"][0]
    assert all(f"`{name}`" in README for name in entry)
    assert f"newest {MAX_TIMELINE} entries" in README


def test_the_answers_that_are_tried_again_are_named() -> None:
    assert "(all but 401, 403, 404, 405, 407, 408, 410, 425 and 429)" in README
    assert sorted(AGAIN | CREDENTIALS | NOBODY) == [401, 403, 404, 405, 407, 408, 410, 425, 429]
    assert WebhookConfig.model_fields.keys() >= {"token", "signing_key"}


def test_every_setting_is_described_by_one_sentence() -> None:
    for section, _ in notify.NOTIFIERS.values():
        for name, field in section.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name
            assert "\n" not in field.description, name
