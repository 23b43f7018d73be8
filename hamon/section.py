"""What every section of the configuration shares: frozen, unknown keys forbidden, secrets also from files.

A package declares its own section as a subclass of `Section` next to the class that it configures; every field has a
`description` (one sentence, it becomes the comment in `hamon config sample` and in the README table).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

DUPLICATE_SECRET = "duplicate-secret"

IN_SAMPLE: JsonDict = {"in_sample": True}
"""`json_schema_extra` of a field that may be left out, and without which the sample would mean nothing."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=64)]
"""Of an instance: its identity in the history, in metrics and logs."""


class Section(BaseModel):
    """One table of the configuration. A secret `x: SecretStr | None` has a sister `x_file: Path | None`; never both."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, hide_input_in_errors=True)

    @classmethod
    def secret_fields(cls) -> Iterable[str]:
        return [name for name in cls.model_fields if f"{name}_file" in cls.model_fields]

    @model_validator(mode="after")
    def _one_way_to_give_a_secret(self) -> Self:
        for name in self.secret_fields():
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
                raise PydanticCustomError(DUPLICATE_SECRET, "give either {name} or {name}_file, not both", {"name": name})
        return self

    def secret(self, name: str) -> str | None:
        """The secret `name`, from the setting or from its file (last line end removed); raises OSError for an unreadable file."""
        given: Any = getattr(self, name)
        if given is not None:
            return given.get_secret_value() if isinstance(given, SecretStr) else str(given)
        path: Path | None = getattr(self, f"{name}_file")
        return path.read_text(encoding="utf-8").rstrip("\r\n") if path else None
