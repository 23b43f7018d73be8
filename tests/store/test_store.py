"""The store keeps the promises of hamon.ports.Store, on both databases."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from hamon.errors import StoreError
from hamon.model.delivery import Delivery, DeliveryState, Relay
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind
from hamon.model.observation import SnmpVersion, VarBind, VarType
from hamon.ports import EventFilter, IncidentFilter, Recording, Store
from hamon.store import migrate
from hamon.store.database import Role, connect, parse_url
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.store.samples import at, closing, delivery, entry, event, incident, position, step
from tests.test_relay import TRAP


def implements(store: Store) -> Store:
    return store


def execute(url: str, statement: str) -> None:
    engine = connect(parse_url(url), Role.WRITE)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


async def raws(store: SqlStore, wanted: EventFilter) -> list[str]:
    return [stored.event.raw for stored in await store.events(wanted)]


def keys(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.id for delivery in deliveries]


async def test_the_store_implements_the_port(store: SqlStore) -> None:
    assert await implements(store).remembered()


# --- Recording --------------------------------------------------------------------------------------------------------


async def test_a_batch_that_is_refused_leaves_nothing_behind(store: SqlStore) -> None:
    first = step(1)
    await store.record(Recording(transitions=[first], states={"pm01": b"old"}))
    with pytest.raises(StoreError, match="defect"):
        await store.record(Recording(events=[event()], transitions=[step(2), first], positions=[position()], states={"pm01": b"new"}))
    assert await store.events(EventFilter()) == []
    assert await store.transitions("pm01", first.incident.key) == [first]
    remembered = await store.remembered()
    assert remembered.states == {"pm01": b"old"}
    assert remembered.positions == []


async def test_after_a_refused_batch_the_next_one_is_stored_whole(store: SqlStore) -> None:
    await store.record(Recording(transitions=[step(1)]))
    with pytest.raises(StoreError):
        await store.record(Recording(transitions=[step(2), step(1)]))
    await store.record(Recording(transitions=[step(2), step(3)]))
    assert await store.transitions("pm01", step().incident.key) == [step(1), step(2), step(3)]


async def test_the_same_delivery_twice_is_refused(store: SqlStore) -> None:
    first = step(1)
    await store.record(Recording(transitions=[first], deliveries=[delivery(first)]))
    with pytest.raises(StoreError, match="defect"):
        await store.record(Recording(deliveries=[delivery(first)]))


async def test_a_delivery_of_a_transition_that_is_not_stored_is_refused(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="not the one that is stored"):
        await store.record(Recording(deliveries=[delivery(step(1))]))


async def test_a_delivery_whose_transition_differs_from_the_stored_one_is_refused(store: SqlStore) -> None:
    await store.record(Recording(transitions=[step(1)]))
    with pytest.raises(StoreError, match="not the one that is stored"):
        await store.record(Recording(deliveries=[delivery(step(1, reason="other"))]))


async def test_positions_and_states_are_overwritten(store: SqlStore) -> None:
    await store.record(Recording(positions=[position(offset=1), position(offset=2)], states={"pm01": b"1"}))
    await store.record(Recording(positions=[position(offset=3, path="/var/log/ha-log.1")], states={"pm01": b"2", "pm02": b"x"}))
    remembered = await store.remembered()
    assert remembered.positions == [position(offset=3, path="/var/log/ha-log.1")]
    assert remembered.states == {"pm01": b"2", "pm02": b"x"}


async def test_batches_recorded_at_the_same_time_are_all_stored(store: SqlStore) -> None:
    await asyncio.gather(*(store.record(Recording(events=[event(number)])) for number in range(20)))
    assert len(await store.events(EventFilter())) == 20


async def test_a_timeline_is_stored_once_however_many_steps_carry_it(store: SqlStore, url: str) -> None:
    steps = [step(number) for number in range(1, 101)]
    for each in steps:
        await store.record(Recording(transitions=[each]))
    assert await store.transitions("pm01", steps[0].incident.key) == steps
    engine = connect(parse_url(url), Role.READ)
    with engine.begin() as connection:
        stored = connection.execute(text("SELECT sum(length(timeline)) FROM transitions")).scalar_one()
    engine.dispose()
    assert stored < 100 * 300


async def test_a_closed_store_says_so(url: str) -> None:
    store = SqlStore(url)
    await store.record(Recording(events=[event()]))
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.events(EventFilter())


async def test_cancelling_the_caller_leaves_the_store_usable(store: SqlStore) -> None:
    task = asyncio.create_task(store.record(Recording(events=[event(number) for number in range(2000)])))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.record(Recording(events=[event(1, raw="after")]))
    stored = await store.events(EventFilter(limit=5000))
    assert len(stored) in (1, 2001)
    assert stored[0].event.raw == "after"


# --- Outbox -----------------------------------------------------------------------------------------------------------


async def test_due_deliveries_come_oldest_first_with_their_whole_transition(store: SqlStore) -> None:
    one, two = step(3, incident("a")), step(1, incident("b"))
    await store.record(Recording(transitions=[two, one], deliveries=[delivery(two, created_at=at(9)), delivery(one, created_at=at(5))]))
    assert await store.due_deliveries(at(10), 10) == [delivery(one, created_at=at(5)), delivery(two, created_at=at(9))]
    assert keys(await store.due_deliveries(at(10), 1)) == ["pm01/a/3/mail"]


async def test_a_delivery_waits_for_its_time(store: SqlStore) -> None:
    first = step(1)
    await store.record(Recording(transitions=[first], deliveries=[delivery(first, next_attempt_at=at(60))]))
    assert await store.due_deliveries(at(59), 10) == []
    assert await store.next_delivery_at() == at(60)
    assert keys(await store.due_deliveries(at(60), 10)) == ["pm01/failover:1/1/mail"]


async def test_an_empty_outbox_has_no_next_time(store: SqlStore) -> None:
    assert await store.next_delivery_at() is None
    assert await store.pending_deliveries() == {}
    assert await store.due_deliveries(at(0), 10) == []


@pytest.mark.parametrize("earlier", [DeliveryState.PENDING, DeliveryState.SENDING])
async def test_a_later_step_is_not_due_before_the_earlier_one_is_handed_over(store: SqlStore, earlier: DeliveryState) -> None:
    first, second, other = step(1), step(2), step(1, incident("other"))
    waiting = delivery(first, state=earlier, next_attempt_at=at(100))
    await store.record(
        Recording(
            transitions=[first, second, other],
            deliveries=[waiting, delivery(second), delivery(second, "hook"), delivery(other)],
        )
    )
    due = ["pm01/other/1/mail", "pm01/failover:1/2/hook"]
    assert keys(await store.due_deliveries(at(50), 10)) == due
    await store.update_delivery(replace(waiting, state=DeliveryState.SENT, sent_at=at(50)))
    assert keys(await store.due_deliveries(at(50), 10)) == [*due[:1], "pm01/failover:1/2/hook", "pm01/failover:1/2/mail"]


async def test_a_failed_delivery_does_not_hold_up_the_next(store: SqlStore) -> None:
    first, second = step(1), step(2)
    await store.record(Recording(transitions=[first, second], deliveries=[delivery(first, state=DeliveryState.FAILED), delivery(second)]))
    assert keys(await store.due_deliveries(at(50), 10)) == ["pm01/failover:1/2/mail"]


async def test_the_next_time_is_not_that_of_a_delivery_that_is_held_up(store: SqlStore) -> None:
    first, second = step(1), step(2)
    await store.record(Recording(transitions=[first, second], deliveries=[delivery(first, next_attempt_at=at(100)), delivery(second)]))
    assert await store.next_delivery_at() == at(100)


async def test_what_is_updated_is_read_back(store: SqlStore) -> None:
    first = step(1)
    await store.record(Recording(transitions=[first], deliveries=[delivery(first)]))
    later = delivery(first, attempts=3, next_attempt_at=at(70), repeated=True, error="refused: 550 no such user")
    await store.update_delivery(later)
    assert await store.due_deliveries(at(70), 10) == [later]
    sent = replace(later, state=DeliveryState.SENT, sent_at=at(71))
    await store.update_delivery(sent)
    assert await store.due_deliveries(at(100), 10) == []
    assert await store.deliveries("pm01", first.incident.key) == [sent]


async def test_updating_an_unknown_delivery_is_a_defect(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="not in the outbox"):
        await store.update_delivery(delivery(step(1)))


async def test_what_was_being_sent_at_a_crash_is_sent_again_and_marked(store: SqlStore) -> None:
    one, two, three = (step(1, incident(key)) for key in "abc")
    states = [DeliveryState.SENDING, DeliveryState.PENDING, DeliveryState.SENT]
    told = [delivery(each, state=state) for each, state in zip([one, two, three], states, strict=True)]
    await store.record(Recording(transitions=[one, two, three], deliveries=told))
    assert await store.due_deliveries(at(50), 10) == [told[1]]
    assert await store.recover_deliveries() == 1
    assert await store.due_deliveries(at(50), 10) == [delivery(one, repeated=True), told[1]]
    assert await store.recover_deliveries() == 0


async def test_pending_deliveries_are_counted_per_target(store: SqlStore) -> None:
    one, two = step(1, incident("a")), step(1, incident("b"))
    told = [delivery(one), delivery(two), delivery(one, "hook"), delivery(two, "hook", state=DeliveryState.SENT)]
    await store.record(Recording(transitions=[one, two], deliveries=told))
    assert await store.pending_deliveries() == {"mail": 2, "hook": 1}


# --- Incidents --------------------------------------------------------------------------------------------------------


async def test_incidents_come_newest_first_without_timeline_and_parts(store: SqlStore) -> None:
    old = incident("old", detected_at=at(1))
    new = incident("new", detected_at=at(2), kind=IncidentKind.FENCING)
    part = incident("part", detected_at=at(3), part_of="new")
    other = incident("other", cluster="pm02", detected_at=at(4))
    await store.record(Recording(transitions=[step(2, each) for each in (old, new, part, other)]))
    await store.record(Recording(transitions=[closing(3, old)]))

    async def found(wanted: IncidentFilter) -> list[str]:
        incidents = await store.incidents(wanted)
        assert all(each.timeline == () for each in incidents)
        return [each.key for each in incidents]

    assert await found(IncidentFilter()) == ["other", "new", "old"]
    assert await found(IncidentFilter(include_parts=True)) == ["other", "part", "new", "old"]
    assert await found(IncidentFilter(cluster="pm01")) == ["new", "old"]
    assert await found(IncidentFilter(kind="fencing")) == ["new"]
    assert await found(IncidentFilter(open_only=True)) == ["other", "new"]
    assert await found(IncidentFilter(since=at(2))) == ["other", "new"]
    assert await found(IncidentFilter(before=at(2))) == ["old"]
    assert await found(IncidentFilter(limit=1)) == ["other"]
    assert await store.parts("pm01", "new") == [part]
    assert await store.parts("pm02", "new") == []


async def test_an_incident_is_as_its_latest_step_left_it(store: SqlStore) -> None:
    await store.record(Recording(transitions=[step(1)]))
    await store.record(Recording(transitions=[step(2), closing(3)]))
    assert await store.incident("pm01", "failover:1") == closing(3).incident
    assert await store.incidents(IncidentFilter()) == [replace(closing(3).incident, timeline=())]
    assert await store.incident("pm01", "nosuch") is None


async def test_a_timeline_whose_entries_change_is_stored_as_it_was_at_each_step(store: SqlStore) -> None:
    timelines = [(entry(1), entry(2)), (entry(1), replace(entry(2), reported_by=("a",)), entry(3)), (entry(0),), ()]
    steps = [step(number, at=at(number)) for number in range(1, 5)]
    steps = [replace(each, incident=replace(each.incident, timeline=new)) for each, new in zip(steps, timelines, strict=True)]
    for each in steps:
        await store.record(Recording(transitions=[each]))
    assert await store.transitions("pm01", "failover:1") == steps


async def test_very_long_keys_and_names_are_stored_whole_and_told_apart(store: SqlStore) -> None:
    long, longer = "鍵" * 5000, "鍵" * 5001
    for key in (long, longer):
        first = step(1, incident(key))
        await store.record(Recording(transitions=[first], deliveries=[delivery(first)], events=[event(node=key)]))
    for key in (long, longer):
        assert (await store.deliveries("pm01", key))[0].id == f"pm01/{key}/1/mail"
        found = await store.incident("pm01", key)
        assert found is not None
        assert found.key == key
        assert [stored.event.node for stored in await store.events(EventFilter(node=key))] == [key]


# --- Events -----------------------------------------------------------------------------------------------------------


async def test_events_are_found_by_each_part_of_the_filter(store: SqlStore) -> None:
    await store.record(
        Recording(
            events=[
                event(1, raw="first 100% sure"),
                event(2, raw="second", kind=EventKind.NODE_LOST, node="node2", resource=None),
                event(3, raw="Third_line", cluster="pm02", resource="prmIp"),
                event(4, raw="fourth 100 sure\\", node=None),
            ]
        )
    )
    assert await raws(store, EventFilter()) == ["fourth 100 sure\\", "Third_line", "second", "first 100% sure"]
    assert await raws(store, EventFilter(cluster="pm02")) == ["Third_line"]
    assert await raws(store, EventFilter(kind="node_lost")) == ["second"]
    assert await raws(store, EventFilter(node="node2")) == ["second"]
    assert await raws(store, EventFilter(text="100%")) == ["first 100% sure"]
    assert await raws(store, EventFilter(text="D_L")) == ["Third_line"]
    assert await raws(store, EventFilter(text="\\")) == ["fourth 100 sure\\"]
    assert await raws(store, EventFilter(text="PRMIP")) == ["Third_line"]
    assert await raws(store, EventFilter(since=at(2), until=at(3))) == ["Third_line", "second"]
    assert await raws(store, EventFilter(cluster="pm01", kind="operation_failed", node="node1", since=at(0))) == ["first 100% sure"]
    assert await raws(store, EventFilter(limit=1)) == ["fourth 100 sure\\"]


async def test_a_nul_in_a_line_can_be_searched(store: SqlStore) -> None:
    await store.record(Recording(events=[event(raw="before\0after")]))
    assert await raws(store, EventFilter(text="E\0A")) == ["before\0after"]
    assert await raws(store, EventFilter(text="after")) == ["before\0after"]


async def test_paging_by_id_shows_every_event_once(store: SqlStore) -> None:
    await store.record(Recording(events=[event(number, raw=f"{number}") for number in range(25)]))
    seen: list[str] = []
    before: int | None = None
    while page := await store.events(EventFilter(before_id=before, limit=10)):
        seen += [stored.event.raw for stored in page]
        before = page[-1].id
    assert seen == [f"{number}" for number in reversed(range(25))]


async def test_a_wide_and_a_narrow_window_find_the_same_events(store: SqlStore) -> None:
    events = [event(number, raw=f"{number}") for number in range(10_500)]
    await store.record(Recording(events=events))
    assert await raws(store, EventFilter(since=at(100), until=at(10_400), limit=2)) == ["10400", "10399"]
    assert await raws(store, EventFilter(since=at(100), until=at(102))) == ["102", "101", "100"]
    assert await raws(store, EventFilter(until=at(1))) == ["1", "0"]


# --- What a newer version wrote ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE incidents SET record = replace(record, 'failover', 'a_kind_of_the_future')",
        "UPDATE incidents SET record = '{}'",
        "UPDATE incidents SET record = '[1'",
        "UPDATE incidents SET record = '7'",
    ],
)
async def test_an_incident_of_a_newer_version_is_an_error_with_remedy(store: SqlStore, url: str, damage: str) -> None:
    await store.record(Recording(transitions=[step(1)]))
    execute(url, damage)
    with pytest.raises(StoreError, match="newer version of hamon"):
        await store.incidents(IncidentFilter())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE transitions SET record = replace(record, 'opened', 'some_kind')",
        "UPDATE transitions SET timeline = '[{\"at\": 1}]'",
    ],
)
async def test_an_outbox_of_a_newer_version_is_an_error_with_remedy(store: SqlStore, url: str, damage: str) -> None:
    first = step(1)
    await store.record(Recording(transitions=[first], deliveries=[delivery(first)]))
    execute(url, damage)
    with pytest.raises(StoreError, match="newer version of hamon"):
        await store.due_deliveries(at(50), 10)


async def test_a_delivery_of_a_newer_version_is_an_error_with_remedy(store: SqlStore, url: str) -> None:
    first = step(1)
    await store.record(Recording(transitions=[first], deliveries=[delivery(first)]))
    execute(url, "UPDATE deliveries SET state = 'a_state_of_the_future'")
    assert await store.due_deliveries(at(50), 10) == []
    with pytest.raises(StoreError, match="newer version of hamon"):
        await store.deliveries("pm01", first.incident.key)


async def test_an_event_of_a_newer_version_is_an_error_with_remedy(store: SqlStore, url: str) -> None:
    await store.record(Recording(events=[event()]))
    execute(url, "UPDATE events SET kind = 'a_kind_of_the_future'")
    with pytest.raises(StoreError, match="newer version of hamon"):
        await store.events(EventFilter())


async def test_fields_that_a_newer_version_added_are_ignored(store: SqlStore, url: str) -> None:
    await store.record(Recording(transitions=[step(1)]))
    execute(url, "UPDATE incidents SET record = '{\"a_field_of_the_future\"\\:1,' || substr(record, 2)")
    assert [each.key for each in await store.incidents(IncidentFilter())] == ["failover:1"]


# --- Read positions ---------------------------------------------------------------------------------------------------


async def test_only_positions_of_files_that_are_long_gone_are_forgotten(store: SqlStore, clock: FakeClock, tmp_path: Path) -> None:
    quiet, renamed = tmp_path / "quiet.log", tmp_path / "renamed.log.1"
    quiet.write_text("x")
    renamed.write_text("y")
    kept = [
        position(quiet.stat().st_ino, path=str(quiet)),
        position(renamed.stat().st_ino, path=str(tmp_path / "renamed.log")),
    ]
    gone = position(2**64 - 1, path=str(tmp_path / "gone.log"))
    await store.record(Recording(positions=[*kept, gone]))
    clock.advance(timedelta(days=29).total_seconds())
    assert await store.prune(older_than=None, max_bytes=None) == 0
    clock.advance(timedelta(days=2).total_seconds())
    fresh = position(2**64 - 2, path=str(tmp_path / "gone too.log"))
    await store.record(Recording(positions=[fresh]))
    assert await store.prune(older_than=None, max_bytes=None) == 1
    assert set((await store.remembered()).positions) == {*kept, fresh}


async def test_the_size_grows_with_what_is_stored(store: SqlStore) -> None:
    before = await store.size_bytes()
    await store.record(Recording(events=[event(number) for number in range(5000)]))
    assert await store.size_bytes() > before + 5000 * 200


@pytest.mark.parametrize("role", Role)
async def test_sqlite_commits_reach_the_disk_before_they_are_reported(tmp_path: Path, role: Role) -> None:
    url = f"sqlite:///{tmp_path}/hamon.db"
    migrate.upgrade(url)
    engine = connect(parse_url(url), role)
    with engine.begin() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum", "busy_timeout", "page_size")
        }
    engine.dispose()
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2, "busy_timeout": 30_000, "page_size": 8192}
    assert pragmas == expected


async def test_traps_that_are_passed_on_wait_in_their_order_and_keep_their_octets(store: SqlStore) -> None:
    trap = replace(
        TRAP,
        version=SnmpVersion.V1,
        uptime=7,
        enterprise="1.3.6.1.4.1.32723.2",
        agent_address="192.0.2.7",
        source="fe80::1%eth0",
        credential="all",
        varbinds=(
            VarBind("1.3.6.1.4.1.1.1", VarType.OCTET_STRING, bytes(range(256))),
            VarBind("1.3.6.1.4.1.1.2", VarType.COUNTER64, 2**64 - 1),
            VarBind("1.3.6.1.4.1.1.3", VarType.IP_ADDRESS, "192.0.2.1"),
            VarBind("1.3.6.1.4.1.1.4", VarType.NULL, None),
            VarBind("1.3.6.1.4.1.1.5", VarType.OPAQUE, b""),
            VarBind("1.3.6.1.4.1.1.6", VarType.INTEGER, -1),
        ),
    )
    given = [Relay(id=0, target=target, trap=trap, created_at=at(number)) for number in range(5) for target in ("noc", "other")]
    await store.record(Recording(relays=given))
    waiting = await store.relays("noc", 3)
    assert [(one.trap, one.created_at) for one in waiting] == [(trap, at(number)) for number in range(3)]
    assert await store.trim_relays("noc", 4) == 1
    await store.drop_relays([one.id for one in waiting[:2]])
    assert [one.created_at for one in await store.relays("noc", 9)] == [at(2), at(3), at(4)]
    assert len(await store.relays("other", 9)) == 5
    assert await store.trim_relays("other", 9) == 0


# --- Lines that are read once more -----------------------------------------------------------------------------------


async def test_a_line_is_found_word_by_word_of_the_same_node_and_about_the_same_time(store: SqlStore) -> None:
    kept = event(at=at(100), reporter="n1", raw="nul \0 and \udcff", collector="tail", ref="/var/log/ha-log@7")
    others = [event(at=at(second), reporter="n1", raw=f"line {second}") for second in range(0, 3000, 100)]
    await store.record(Recording(events=[*others, kept]))
    copy = replace(kept, collector="restored", ref="/copy@0", at=at(104))
    asked = [
        copy,
        replace(copy, ref="/copy@1", at=at(111)),
        replace(copy, ref="/copy@2", raw="another one"),
        replace(copy, ref="/copy@3", reporter="n2"),
        replace(copy, ref="/copy@4", rule="another-rule"),
        replace(others[20], ref="/copy@5", collector="restored"),
    ]
    within = timedelta(seconds=10)
    assert set(await store.stored_lines(kept.cluster, asked, within)) == {"restored /copy@0", "restored /copy@5"}
    assert not await store.stored_lines("another", asked, within)
    assert not await store.stored_lines(kept.cluster, [], within)
