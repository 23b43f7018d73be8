"""Why a delivery failed is told in the language of the reader; the words of the other side stay."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hamon
from hamon.snmp.sender import REASONS
from hamon.tell import delivery_error
from hamon.tell.undelivered import is_known

ROOT = Path(hamon.__file__).parent
TARGETS = (*sorted((ROOT / "notify").glob("*.py")), ROOT / "snmp" / "sender.py")


def said(path: Path) -> Iterator[str]:
    """What a module gives as the text of a DeliveryError, with something in the place of each value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "DeliveryError":
            yield from texts(node.args[1])
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "text":
            yield from texts(node.value)


def texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts) if any(isinstance(part, ast.Constant) for part in parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "42" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from (*texts(one), *texts(other))


FOUND = sorted({(path.name, text) for path in TARGETS for text in said(path)} | {("sender.py", text) for _, text in REASONS.values()})


def test_the_words_of_targets_are_found() -> None:
    assert len(FOUND) > 40
    assert {name for name, _ in FOUND} >= {"smtp.py", "webhook.py", "apprise.py", "mailbox.py", "snmp_trap.py", "sender.py"}


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_what_a_target_says_has_words_in_every_language(name: str, text: str) -> None:
    if text.startswith("the server answers HTTP 42") or not text.startswith("42"):
        text = text.replace("check 42", "check the community")
        assert is_known(text), f"{name} says what hamon/tell/undelivered.py does not know"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            "unreachable: no connection to the mail server: [Errno 111] Connection refused",
            "到達不能: メールサーバに接続できない: [Errno 111] Connection refused",
        ),
        ("throttled: the server answers HTTP 503", "一時的な拒否: サーバの応答は HTTP 503"),
        ("refused: the mail server refuses the message: 550 no such user", "拒否: メールサーバがメッセージを拒否した: 550 no such user"),
        ("throttled: 1 of 2 recipients refused for now: 450 later", "一時的な拒否: 宛先 2 件のうち 1 件が一時的に拒否された: 450 later"),
        (
            "timeout: no answer from 192.0.2.9 port 162: it is away, or check the community",
            "時間切れ: 192.0.2.9 port 162 から応答がない。停止しているか、コミュニティを確認すること",
        ),
        ("no target named ops is configured any more", "通知先 ops は設定から削除されている"),
        ("refused: something else", "拒否: something else"),
        ("words of an older release", "words of an older release"),
        ("", ""),
    ],
)
def test_an_error_is_told_in_japanese_as_far_as_its_words_are_ours(error: str, told: str) -> None:
    assert delivery_error(error, "ja") == told
    assert delivery_error(error, "en") == error
