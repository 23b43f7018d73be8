"""What collectors say of a source that gives nothing is read in the language of the reader."""

import pytest

from hamon import tell
from hamon.collect.child import Answer
from hamon.collect.faults import Fault, of_answer, refused
from hamon.tell.words import keys, raw
from tests.tell.samples import MISSING, UNSEEN


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_a_command_is_told_in_japanese_with_its_remedy(fault: Fault) -> None:
    reason = str(refused(fault, ["ssh", "pm01", "crm_mon"], "it said so"))
    assert tell.source_reason(reason, "en") == reason
    told = tell.source_reason(f"pm01: {reason}", "ja")
    word, remedy = (raw(f"{table}.{fault.name.lower()}", "ja") for table in ("fault", "remedy"))
    assert told == f"pm01: {word}: `ssh pm01 crm_mon` – it said so。{remedy}"


def test_what_several_nodes_say_is_told_of_each() -> None:
    one = str(of_answer(Answer(code=124, out=b"", error="", seconds=0.1), ["crm_mon"], None))
    told = tell.source_reason(f"pm01: {one}; pm02: {one}", "ja")
    assert told.count(raw("remedy.timeout", "ja")) == told.count(raw("fault.timeout", "ja")) == 2
    assert raw("remedy.timeout", "en") not in told


def test_a_log_that_is_missing_is_told_in_japanese() -> None:
    told = f"ファイルなし: /var/log/pacemaker.log does not exist。{raw('remedy.log_missing', 'ja')}"
    assert tell.source_reason(MISSING, "ja") == told
    assert UNSEEN.cause is not None
    assert raw("remedy.log_missing", "ja") in tell.cause_text(UNSEEN, "ja")


def test_no_remedy_is_the_beginning_of_another() -> None:
    remedies = [raw(key, "en") for key in keys("en") if key.startswith("remedy.")]
    assert len(remedies) > 20
    assert [one for one in remedies for other in remedies if one is not other and other.startswith(one)] == []
