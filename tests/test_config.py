"""The configuration tells all that is wrong with it, and opens no connection."""

import re
import socket
import string
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamon.classify.settings import ClusterSettings
from hamon.collect import COLLECTORS
from hamon.config import Config, Option, as_toml, load, options, options_table, sample, state_directory, warnings
from hamon.errors import ConfigError, Problem
from hamon.notify import NOTIFIERS
from hamon.section import Section

GOOD = """
[cluster.pg]
node_ids = { 1 = "pm01", 2 = "pm02" }
[cluster.pg.service.db]
resources = ["grpPg"]
[collect.log_tail.pm01]
cluster = "pg"
paths = ["/var/log/pm01/*.log"]
[notify.smtp.ops]
host = "mail.example.com"
sender = "hamon@example.com"
to = ["duty@example.com"]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hamon.toml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigError) as raised:
        load(write(tmp_path, text), environ or {})
    return list(raised.value.problems)


def ids(found: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.id, problem.key) for problem in found]


def uncommented(text: str) -> str:
    """The sample as an operator makes it: the mark before settings and tables is taken away."""
    return re.sub(r"(?m)^#(?! |$)", "", text)


def test_without_a_file_the_defaults_hold() -> None:
    assert load(None, {}) == Config()


def test_a_file_is_read_into_the_sections_of_the_registries(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD), {"PATH": "/bin"})
    assert [(kind, name, type(section)) for kind, name, section in loaded.collectors()] == [("log_tail", "pm01", COLLECTORS["log_tail"][0])]
    assert [(kind, name, type(section)) for kind, name, section in loaded.notifiers()] == [("smtp", "ops", NOTIFIERS["smtp"][0])]
    assert loaded.cluster["pg"].node_ids == {1: "pm01", 2: "pm02"}
    assert loaded.cluster["pg"].service["db"].resources == ("grpPg",)


def test_the_engine_gets_what_is_configured_and_its_own_defaults_else(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD), {"HAMON_CLUSTER__PG__SETTLE_SECONDS": "5"})
    assert loaded.cluster["pg"].settings("pg") == ClusterSettings(
        name="pg",
        title="pg",
        services={"db": ("grpPg",)},
        node_ids={"1": "pm01", "2": "pm02"},
        settle=timedelta(seconds=5),
    )


@pytest.mark.parametrize(("entries", "expected"), [("[]", ["must have at least one entry"]), ('["a"]', ["not a mail address: 'a' "])])
def test_a_list_that_must_not_be_empty_is_told_once_and_in_plain_words(entries: str, expected: list[str], tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace('["duty@example.com"]', entries))
    assert [problem.message.split("(")[0] for problem in found] == expected


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = """
colect = 1
[web]
listen = 5
[store]
retention_day = 3
[log]
level = "loud"
[cluster.pg]
settle_seconds = -1
[cluster.pg.service.a]
resources = ["x"]
[cluster.pg.service.b]
resources = ["x"]
[cluster."Bad Name"]
[collect.log_tial.a]
[collect.log_tail.pm01]
cluster = "pgg"
paths = ["/var/log/a"]
[collect.log_tail.pm02]
paths = ["/var/log/*", 5]
[notify.smtp.ops]
password = "geheim"
password_file = "/nonexistent/password"
[notify.webhook.ops]
url_file = "/nonexistent/url"
[rules]
paths = ["/nonexistent/rules"]
"""
    found = problems(tmp_path, text, {"HAMON_LOG__LEVL": "info"})
    assert set(ids(found)) == {
        ("unknown-key", "colect"),
        ("wrong-type", "web.listen"),
        ("unknown-key", "store.retention_day"),
        ("wrong-value", "log.level"),
        ("wrong-value", "cluster.pg.settle_seconds"),
        ("duplicate-resource", "cluster.pg.service.b.resources[0]"),
        ("wrong-name", 'cluster."Bad Name"'),
        ("unknown-key", "collect.log_tial"),
        ("unknown-cluster", "collect.log_tail.pm01.cluster"),
        ("missing-key", "collect.log_tail.pm02.cluster"),
        ("wrong-type", "collect.log_tail.pm02.paths[1]"),
        ("duplicate-path", "collect.log_tail.pm02.paths[0]"),
        ("missing-key", "notify.smtp.ops.host"),
        ("missing-key", "notify.smtp.ops.sender"),
        ("missing-key", "notify.smtp.ops.to"),
        ("duplicate-secret", "notify.smtp.ops.password"),
        ("secret-file-unreadable", "notify.smtp.ops.password_file"),
        ("secret-file-unreadable", "notify.webhook.ops.url_file"),
        ("duplicate-target", "notify.webhook.ops"),
        ("missing-folder", "rules.paths[0]"),
        ("unknown-variable", "HAMON_LOG__LEVL"),
    }
    assert len(found) == len(set(ids(found)))
    assert all(problem.message and problem.hint for problem in found)
    assert "geheim" not in str(found)


@pytest.mark.parametrize(
    ("text", "id", "place"),
    [
        ("[web]\nlisten = nothing\n", "toml-syntax", "line 2, column 10"),
        ("[web\n", "toml-syntax", "line 1, column 5"),
        ('title = "', "toml-syntax", "the last line"),
        ("[log]\n[web]\n[log]\n", "duplicate-key", "line 3, column 5"),
        ("[log]\nlevel = 'info'\nlevel = 'info'\n", "duplicate-key", "line 3, column 15"),
        ("x = " + "[" * 5000, "toml-syntax", "nested"),
        ("x = " + "1" * 5000, "toml-syntax", "somewhere"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(text: str, id: str, place: str, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, text)
    assert (problem.id, problem.key) == (id, str(tmp_path / "hamon.toml"))
    assert place in problem.message


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "hamon.toml"
    path.write_bytes("[web]\ntitle = '冗長'\n".encode("euc_jp"))
    with pytest.raises(ConfigError, match=r"toml-syntax.*line 2: not UTF-8"):
        load(path, {})


@pytest.mark.parametrize(
    ("text", "id", "key", "words", "remedy"),
    [
        ("[cluster.pg]\nnode_ids = { x = 'pm01' }\n", "wrong-name", "cluster.pg.node_ids.x", "whole number", "node id"),
        ("[notify.webhook.w]\n", "wrong-value", "notify.webhook.w", "give url or url_file", "The http or https URL"),
        (
            "[notify.smtp.m]\nhost = ''\nsender = 'a@b.c'\nto = ['a@b.c']\n",
            "wrong-value",
            "notify.smtp.m.host",
            "not be empty",
            "mail server",
        ),
        (
            "[notify.smtp.m]\nhost = 'm'\nsender = 'a@b.c'\nto = ['a@b.c']\nuser = 'x'\n",
            "wrong-value",
            "notify.smtp.m",
            "user is given without password",
            "Password to log in with",
        ),
        (
            "[notify.mailbox.m]\npath = '/tmp/m'\nremind_after = ['1 hour']\n",
            "wrong-value",
            "notify.mailbox.m.remind_after[0]",
            "the form that is wanted",
            "a number with s, m, h or d",
        ),
        ("[snmp.agent]\nenabled = true\n", "missing-sources", "snmp.agent", "needs sources", "Addresses and networks that are answered"),
        ("[store]\nurl = 'sqlite:////nonexistent/hamon.db'\n", "missing-folder", "store.url", "does not exist", "create /nonexistent"),
        ("[web\n", "toml-syntax", "FILE", "line 1", "a table is `[name]`"),
        ('[web]\ntitle = "a\n', "toml-syntax", "FILE", "line 2", "not closed"),
        (
            "[cluster.pg]\n[collect.syslog.s]\nlisten = ['tls:127.0.0.1:8470']\ncertificate_file = '/dev/null'\nkey_file = '/dev/null'\n"
            "[collect.syslog.s.source.y]\ncluster = 'pg'\naddresses = ['192.0.2.1']\n",
            "duplicate-listen",
            "collect.syslog.s.listen[0]",
            "web listens there already",
            "one address and port",
        ),
    ],
)
def test_a_mistake_is_told_with_its_key_and_what_to_do(text: str, id: str, key: str, words: str, remedy: str, tmp_path: Path) -> None:
    (one,) = [problem for problem in problems(tmp_path, text) if problem.id != "certificate-unusable"]
    assert (one.id, one.key) == (id, key.replace("FILE", str(tmp_path / "hamon.toml")))
    assert words in one.message
    assert remedy in one.hint
    assert not re.search(r"String|Input|should|=\(", one.message + one.hint)


def test_certificates_that_cannot_be_used_are_told_before_they_are_needed(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("no certificate\n")
    text = f"""
[cluster.pg]
[collect.syslog.s]
listen = ["tls:127.0.0.1:6514"]
certificate_file = "{nothing}"
key_file = "{nothing}"
client_ca_file = "/nonexistent/ca.pem"
[collect.syslog.s.source.y]
cluster = "pg"
addresses = ["192.0.2.1"]
[notify.webhook.w]
url = "https://hooks.example.com/x"
ca_file = "{nothing}"
"""
    assert set(ids(problems(tmp_path, text))) == {
        ("certificate-unusable", "collect.syslog.s.certificate_file"),
        ("file-unreadable", "collect.syslog.s.client_ca_file"),
        ("certificate-unusable", "notify.webhook.w.ca_file"),
    }


def test_a_folder_where_a_file_is_wanted_is_warned_of(tmp_path: Path) -> None:
    text = f"""
[cluster.pg]
[collect.log_tail.pm01]
cluster = "pg"
paths = ["{tmp_path}"]
[notify.mailbox.a]
path = "{tmp_path}"
[notify.mailbox.b]
path = "{tmp_path}/none/mbox"
"""
    path = write(tmp_path, text)
    found = warnings(load(path, {}), path)
    assert set(ids(found)) == {
        ("log-is-a-folder", "collect.log_tail.pm01.paths[0]"),
        ("mailbox-is-a-folder", "notify.mailbox.a.path"),
        ("missing-folder", "notify.mailbox.b.path"),
    }
    assert all(one.hint for one in found)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "hamon.toml"
    path.write_text("\ufeff[log]\nlevel = 'debug'\n")
    assert load(path, {}).log.level == "debug"


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_a_problem_with_a_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / name, {})
    [problem] = raised.value.problems
    assert problem.id == "config-file-unreadable"
    assert "config sample" in problem.hint


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="config-file-too-large"):
        load(Path("/dev/zero"), {})


def test_a_misspelled_key_is_told_with_the_known_one(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "[web]\nlissten = ':1'\n")
    assert ids([problem]) == [("unknown-key", "web.lissten")]
    assert problem.hint == "did you mean web.listen?"


def test_a_key_in_the_wrong_table_is_told_with_the_right_one(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "[web]\nretention_days = 3\n")
    assert problem.hint == "retention_days belongs to store.retention_days"


def test_an_unknown_cluster_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    text = GOOD.replace('cluster = "pg"', 'cluster = "other"')
    [problem] = problems(tmp_path, text)
    assert ids([problem]) == [("unknown-cluster", "collect.log_tail.pm01.cluster")]
    assert problem.hint == "known: pg; or add a table [cluster.other]"


@pytest.mark.parametrize("name", ["PM01", "pm-01", "pm 01", "", "x" * 65, "ノード"])
def test_a_name_has_lower_case_letters_digits_and_underscores_only(name: str, tmp_path: Path) -> None:
    found = problems(tmp_path, f'[cluster."{name}"]\n')
    assert [problem.id for problem in found] == ["wrong-name"]


def test_a_service_may_be_called_as_its_group_is(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "[cluster.pg.service.grpPg-1]\nresources = ['grpPg']\n"), {})
    assert list(loaded.cluster["pg"].service) == ["grpPg-1"]
    [problem] = problems(tmp_path, "[cluster.pg.service.'grp Pg']\nresources = ['grpPg']\n")
    assert (problem.id, problem.hint) == ("wrong-name", "call it grp_Pg")


@pytest.mark.parametrize(
    ("other", "is_told"), [("/var/log/pm01/a.log", True), ("/var/log/pm01/../pm01/*.log", True), ("/var/log/pm02/a.log", False)]
)
def test_one_file_is_not_read_for_two_clusters(other: str, is_told: bool, tmp_path: Path) -> None:
    text = GOOD + f'[cluster.web]\n[collect.log_tail.web]\ncluster = "web"\npaths = ["{other}"]\n'
    if is_told:
        [problem] = problems(tmp_path, text)
        assert ids([problem]) == [("duplicate-path", "collect.log_tail.web.paths[0]")]
        assert 'collect.log_tail.pm01.paths[0] already, for the cluster "pg"' in problem.message
    else:
        assert set(load(write(tmp_path, text), {}).collect["log_tail"]) == {"pm01", "web"}


def test_two_targets_of_one_name_are_told_whatever_their_kind(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, GOOD + '[notify.mailbox.ops]\npath = "/tmp/box"\n')
    assert ids([problem]) == [("duplicate-target", "notify.mailbox.ops")]
    assert problem.hint == "call it ops_mailbox"


def test_a_target_that_would_wait_in_vain_is_told(tmp_path: Path) -> None:
    text = f"""{GOOD}
kinds = ["failovr", "fail*", "node_lost", "x*"]
clusters = ["pgg", "p*", "other-*", "pg"]
"""
    found = problems(tmp_path, text)
    assert ids(found) == [
        ("unknown-cluster", "notify.smtp.ops.clusters[0]"),
        ("unknown-kind", "notify.smtp.ops.kinds[0]"),
        ("unknown-kind", "notify.smtp.ops.kinds[3]"),
    ]
    assert [problem.hint for problem in found[:2]] == ["did you mean pg?", "did you mean failover?"]


def test_a_section_that_is_no_table_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, "log = 1\ncluster = []\ncollect = { log_tail = 'x' }\n[notify.smtp]\nops = true\n")
    assert ids(found) == [
        ("wrong-type", "log"),
        ("wrong-type", "cluster"),
        ("wrong-type", "collect.log_tail"),
        ("wrong-type", "notify.smtp.ops"),
    ]


class TestSecrets:
    def test_a_secret_is_read_from_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "url").write_text("https://hooks.example.com/x\n")
        loaded = load(write(tmp_path, f'[notify.webhook.ops]\nurl_file = "{tmp_path}/url"\n'), {})
        assert loaded.notify["webhook"]["ops"].secret("url") == "https://hooks.example.com/x"

    @pytest.mark.parametrize(
        ("content", "id"), [(b"", "secret-file-empty"), (b"\n", "secret-file-empty"), (b"\xff", "secret-file-unreadable")]
    )
    def test_a_file_without_a_secret_is_told(self, content: bytes, id: str, tmp_path: Path) -> None:
        (tmp_path / "url").write_bytes(content)
        found = problems(tmp_path, f'[notify.webhook.ops]\nurl_file = "{tmp_path}/url"\n')
        assert (id, "notify.webhook.ops.url_file") in ids(found)

    def test_a_secret_that_everyone_may_read_works_but_is_warned_of(self, tmp_path: Path) -> None:
        secret = tmp_path / "url"
        secret.write_text("https://hooks.example.com/x")
        secret.chmod(0o644)
        path = write(tmp_path, f'[notify.webhook.ops]\nurl_file = "{secret}"\n')
        assert ("secret-file-world-readable", "notify.webhook.ops.url_file") in ids(warnings(load(path, {}), path))
        secret.chmod(0o640)
        assert "secret-file-world-readable" not in [problem.id for problem in warnings(load(path, {}), path)]

    def test_a_configuration_with_a_secret_that_everyone_may_read_is_warned_of(self, tmp_path: Path) -> None:
        path = write(tmp_path, '[notify.webhook.ops]\nurl = "https://hooks.example.com/x"\n')
        path.chmod(0o604)
        assert ("secret-world-readable", "notify.webhook.ops.url") in ids(warnings(load(path, {}), path))
        path.chmod(0o600)
        assert "secret-world-readable" not in [problem.id for problem in warnings(load(path, {}), path)]

    @settings(deadline=None)
    @given(st.text(string.ascii_letters + string.digits, min_size=12))
    def test_no_problem_repeats_a_secret(self, secret: str) -> None:
        environ = {
            "HAMON_NOTIFY__WEBHOOK__OPS__URL": f"nothing://{secret}",
            "HAMON_STORE__URL": f"nothing://{secret}",
            "HAMON_LOG__LEVEL": secret,
        }
        with pytest.raises(ConfigError) as raised:
            load(None, environ)
        assert secret not in str(raised.value)


def test_what_is_missing_though_it_works_is_warned_of(tmp_path: Path) -> None:
    assert ids(warnings(Config())) == [("nothing-to-collect", "collect"), ("nobody-to-tell", "notify")]
    assert ids(warnings(load(write(tmp_path, GOOD + "[cluster.web]\n"), {}))) == [("cluster-without-source", "cluster.web")]
    assert warnings(load(write(tmp_path, GOOD), {})) == []


class TestEnvironment:
    def test_any_key_can_be_set(self, tmp_path: Path) -> None:
        environ = {
            "HAMON_LOG__FORM": "json",
            "HAMON_STORE__RETENTION_DAYS": "7",
            "HAMON_COLLECT__LOG_TAIL__PM01__PATHS": '["/var/log/other", "/var/log/more"]',
            "HAMON_CLUSTER__PG__SERVICE__DB__RESOURCES": "['a']",
            "HAMON_CLUSTER__WEB": "{ title = 'Web' }",
            "HAMON_NOTIFY__SMTP__OPS__HOST": "127.0.0.1",
        }
        loaded = load(write(tmp_path, GOOD), environ)
        assert (loaded.log.form, loaded.store.retention_days) == ("json", 7)
        assert getattr(loaded.collect["log_tail"]["pm01"], "paths", None) == ("/var/log/other", "/var/log/more")
        assert loaded.cluster["pg"].service["db"].resources == ("a",)
        assert loaded.cluster["web"].title == "Web"
        assert getattr(loaded.notify["smtp"]["ops"], "host", None) == "127.0.0.1"

    @pytest.mark.parametrize("secret", ["12345", "true", "2026-01-01", "[1]", '"quoted', "a = 1", "", "x\ny = 1"])
    def test_a_password_that_looks_like_something_else_is_taken_as_it_is(self, secret: str, tmp_path: Path) -> None:
        environ = {"HAMON_NOTIFY__SMTP__OPS__PASSWORD": secret, "HAMON_NOTIFY__SMTP__OPS__USER": "hamon"}
        assert load(write(tmp_path, GOOD), environ).notify["smtp"]["ops"].secret("password") == secret

    @pytest.mark.parametrize(
        ("variable", "hint"),
        [
            ("HAMON_LOG__LEVL", "did you mean HAMON_LOG__LEVEL?"),
            ("HAMON_COLLECT__LOG_TAIL__PM01__PATH", "did you mean HAMON_COLLECT__LOG_TAIL__PM01__PATHS?"),
            ("HAMON_COLECT__LOG_TAIL__PM01__PATHS", "did you mean HAMON_COLLECT__LOG_TAIL__PM01__PATHS?"),
            ("HAMON_", "as in HAMON_LOG__LEVEL"),
            ("HAMON__LOG", "did you mean HAMON_LOG?"),
            ("HAMON_NONSENSE", "as in HAMON_LOG__LEVEL"),
        ],
    )
    def test_a_variable_that_names_no_key_is_told(self, variable: str, hint: str, tmp_path: Path) -> None:
        found = problems(tmp_path, GOOD, {variable: "x"})
        assert ids(found) == [("unknown-variable", variable)]
        assert hint in found[0].hint

    def test_a_wrong_value_names_its_variable(self, tmp_path: Path) -> None:
        [problem] = problems(tmp_path, GOOD, {"HAMON_STORE__RETENTION_DAYS": "many"})
        assert ids([problem]) == [("wrong-type", "store.retention_days")]
        assert problem.message == "must be a whole number, not text (from HAMON_STORE__RETENTION_DAYS)"

    def test_a_service_is_found_whatever_its_case(self, tmp_path: Path) -> None:
        text = "[cluster.pg.service.grpPg]\nresources = ['x']\n"
        loaded = load(write(tmp_path, text), {"HAMON_CLUSTER__PG__SERVICE__GRPPG__RESOURCES": "['y']"})
        assert loaded.cluster["pg"].service["grpPg"].resources == ("y",)

    def test_a_key_below_a_plain_value_is_told(self, tmp_path: Path) -> None:
        found = problems(tmp_path, "[log]\nlevel = 'info'\n", {"HAMON_LOG__LEVEL__X": "1"})
        assert ids(found) == [("unknown-variable", "HAMON_LOG__LEVEL__X")]

    @settings(deadline=None)
    @given(name=st.text(string.ascii_uppercase + "_" + string.digits, max_size=30), value=st.text(max_size=30))
    def test_any_variable_gives_a_configuration_or_problems(self, name: str, value: str) -> None:
        with suppress(ConfigError):
            assert isinstance(load(None, {f"HAMON_{name}": value}), Config)


toml_values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["paths", "cluster", "pg", "url", "service", "resources"]), inner)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*Config.model_fields, "other"]), st.dictionaries(st.sampled_from(["log_tail", "smtp", "pg", "url"]), toml_values)
    )
)
def test_any_tables_give_a_configuration_or_problems(tables: dict[str, Any]) -> None:
    environ = {f"HAMON_{key.upper()}": as_toml(value) for key, value in tables.items()}
    with suppress(ConfigError):
        assert isinstance(load(None, environ), Config)


@settings(deadline=None)
@given(toml_values)
def test_a_value_is_written_as_toml_reads_it(value: Any) -> None:
    assert repr(tomllib.loads(f"value = {as_toml(value)}")["value"]) == repr(value)


def test_the_sample_as_it_is_sets_nothing(tmp_path: Path) -> None:
    assert load(write(tmp_path, sample()), {}) == Config()


def test_the_sample_without_comment_marks_loads_and_its_values_are_the_defaults(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, uncommented(sample())), {})
    assert (loaded.store, loaded.web, loaded.log, loaded.rules) == (Config().store, Config().web, Config().log, Config().rules)
    assert set(loaded.collect) == set(COLLECTORS)
    assert set(loaded.notify) == set(NOTIFIERS)
    instances: list[Section] = [loaded.cluster["pg"], *(section for _, _, section in (*loaded.collectors(), *loaded.notifiers()))]
    for section in instances:
        for name, field in type(section).model_fields.items():
            if not field.is_required() and not isinstance(getattr(section, name), dict) and name not in section.secret_fields():
                assert getattr(section, name) == field.get_default(call_default_factory=True, validated_data={}), name


def test_the_sample_shows_every_option_with_its_description() -> None:
    text = sample()
    for option in options():
        assert f"# {option.description} (" in text
        assert re.search(rf"(?m)^# ?{option.key.split('.')[-1]} = ", text), option.key


def test_every_option_has_a_description_of_one_sentence() -> None:
    for option in options():
        assert option.description, option.key
        assert "\n" not in option.description, option.key
        assert option.description.endswith("."), option.key
        assert option.description[0].isupper() or option.description.startswith("hamon"), option.key


def test_options_name_the_tables_of_the_registries() -> None:
    keys = [option.key for option in options()]
    assert Option("log.level", '"debug" or "info" or "warning" or "error"', '"info"', "The lowest level that is written.") in options()
    assert "cluster.NAME.service.NAME.resources" in keys
    for kind, entry in COLLECTORS.items():
        for name in entry[0].model_fields:  # a value, or a table with values
            assert any(f"{key}.".startswith(f"collect.{kind}.NAME.{name}.") for key in keys), name
    for kind, target in NOTIFIERS.items():
        assert {f"notify.{kind}.NAME.{name}" for name in target[0].model_fields} <= set(keys)
    assert len(keys) == len(set(keys))


def test_the_table_of_options_has_a_row_for_each() -> None:
    rows = options_table().splitlines()
    assert len(rows) == 2 + len(options())
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)


def test_reading_opens_no_connection(tmp_path: Path) -> None:
    """The database and the mail server of this configuration are one listening socket that nobody calls."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        port = server.getsockname()[1]
        text = (
            GOOD.replace("mail.example.com", "127.0.0.1") + f'port = {port}\n[store]\nurl = "postgresql://hamon@127.0.0.1:{port}/hamon"\n'
        )
        load(write(tmp_path, text), {})
        with pytest.raises(BlockingIOError):
            server.accept()


def test_state_is_kept_where_systemd_says_or_in_the_folder_of_the_user() -> None:
    assert state_directory({"STATE_DIRECTORY": "/var/lib/hamon"}) == Path("/var/lib/hamon")
    assert state_directory({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}) == Path("/var/lib/a")
    assert state_directory({}).parts[-1] == "hamon"
    assert state_directory({}).is_absolute()


def test_a_target_may_name_an_incident_of_the_users_own_rules(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        '[[incident]]\nid = "backup-late"\nopened_by = ["disk_error"]\nen = { title = "No backup" }\n', encoding="utf-8"
    )
    (tmp_path / "wrong.toml").write_text("[[incident]]", encoding="utf-8")
    kinds = 'kinds = ["backup-late", "backup-*", "backup-lost"]'
    text = f'[rules]\npaths = ["{tmp_path}"]\n[notify.mailbox.ops]\npath = "{tmp_path}/box"\n{kinds}\n'
    file = tmp_path / "hamon.conf"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    (problem,) = refused.value.problems
    assert (problem.id, problem.hint) == ("unknown-kind", "did you mean backup-late?")
    assert '"backup-lost"' in problem.message
