"""Judging: what was read of each cluster to what it leads to.

The laws: what is new is judged first, then what came late, for which the story is told again; an event that meets a defect takes none of
the others with it.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from pydantic import TypeAdapter, ValidationError

from hamon.classify.incidents import Advance, Engine
from hamon.classify.late import Journal
from hamon.classify.settings import ClusterSettings
from hamon.classify.skew import Skew
from hamon.classify.state import VERSION, State
from hamon.clock import Clock
from hamon.model.cluster import ClusterStatus
from hamon.model.event import Event
from hamon.model.incident import Transition
from hamon.model.observation import Snapshot, Tick
from hamon.rules.own import Own

log = logging.getLogger(__name__)

Item = Event | Snapshot | Tick

_STATE = TypeAdapter(State)


class Judge:
    """The engine of each cluster, and what it takes to begin again: after a defect, and where lines come late."""

    def __init__(self, clusters: Mapping[str, ClusterSettings], own: Own, clock: Clock, defect: Callable[[], None]) -> None:
        """`defect` is called for each defect of hamon that was met."""
        self._settings, self._own, self._clock, self._defect = dict(clusters), own, clock, defect
        self._engines: dict[str, Engine] = {}
        self._journals: dict[str, Journal] = {}
        self._last_states: dict[str, bytes] = {}
        self._skews: dict[str, Skew] = {}
        self._came_late = False
        """Lines of the last batch came late: more may follow, and they are taken together."""

    def _begin(self, name: str, stored: bytes | None, known: Sequence[Event], last: ClusterStatus | None) -> Engine:
        """Take up a cluster where the last run left it. `known`: its last stored events, oldest first; `last`: what a poll showed last."""
        engine = Engine(self._settings[name], known_state(stored, name), known, last, self._own)
        self._engines[name] = engine
        self._skews[name] = Skew(engine.state.clocks)
        self._last_states[name] = _STATE.dump_json(engine.state)
        self._journals[name] = Journal(partial(self._engine, name), _STATE.dump_json, engine, known)
        return engine

    def _go_by(self, own: Own) -> None:
        """Use other incidents and changes of the user's own from the next event on."""
        self._own = own
        for engine in self._engines.values():
            engine.use(own)

    def _remember(self, name: str) -> bytes:
        """The state of a cluster as it is stored; from here on the story can be told again."""
        engine = self._engines[name]
        state = self._last_states[name] = _STATE.dump_json(engine.state)
        self._journals[name].mark(state, engine)
        return state

    def _tell_clocks(self, name: str, skew: Skew, advance: Advance) -> Advance:
        """Let the engine know how far clocks are off, as the clock of this host has it."""
        told = self._engines[name].set_clocks({node: offset.total_seconds() for node, offset in skew.offsets.items()}, self._clock.now())
        return Advance(events=advance.events, transitions=[*advance.transitions, *told])

    def _advance(self, name: str, items: Sequence[Item], stored: Collection[str], *, polled: bool) -> Advance:
        """Fold a batch into a cluster's state: first what is new, then what came late, for which the story is told again.

        `polled`: there are polls among it.
        """
        journal = self._journals[name]
        late = journal.late(self._engines[name], items, stored, polled=polled)
        ticks: list[Tick] = []
        if late:
            # What time alone decides is decided when the evidence is complete.
            apart, ticks = {id(event) for event in late}, [item for item in items if isinstance(item, Tick)]
            items = [item for item in items if id(item) not in apart and not isinstance(item, Tick)]
        advance = self._judged(name, items, stored)
        journal.add(items, advance, polled=polled)
        if not late:
            return advance
        try:
            self._engines[name], more = journal.again(self._engines[name], late, ticks[-1].now if ticks else None)
        except Exception:
            self._defect()
            log.exception("defect while putting late lines in order; they are judged as they come", extra={"cluster": name})
            more = self._judged(name, [*late, *ticks], stored)
            journal.add(late, more, polled=False)
        else:
            facts = {"cluster": name, "lines": len(late), "judged_again": journal.judged_again}
            log.info("lines came late: the story was told again with them", extra=facts)
        self._came_late = True
        return Advance(events=[*advance.events, *more.events], transitions=[*advance.transitions, *more.transitions])

    def _judged(self, name: str, items: Sequence[Item], stored: Collection[str]) -> Advance:
        """What a batch leads to; after a defect go back to the state before, and take the events one by one."""
        polled = self._engines[name].polled
        try:
            return self._engines[name].advance(items, stored)
        except Exception:
            self._defect()
            log.exception("defect while judging events; they are taken one by one", extra={"cluster": name})
        events: list[Event] = []
        transitions: list[Transition] = []
        good = self._last_states[name]
        self._engines[name] = self._engine(name, good, (), polled)
        for item in items:
            try:
                advance = self._engines[name].advance([item], stored)
            except Exception:
                self._defect()
                log.error("an event meets a defect of hamon: it is kept, and judged no further", extra={"cluster": name, "event": item})
                # After a snapshot that cannot be compared the comparison begins anew.
                polled = self._engines[name].polled if isinstance(item, Event) else None
                self._engines[name] = self._engine(name, good, events, polled)
                if isinstance(item, Event):
                    events.append(item)
            else:
                events += advance.events
                transitions += advance.transitions
                good = _STATE.dump_json(self._engines[name].state)
        return Advance(events=events, transitions=transitions)

    def _engine(self, name: str, state: bytes, known: Sequence[Event], polled: ClusterStatus | None) -> Engine:
        engine = Engine(self._settings[name], _STATE.validate_json(state), known, polled, self._own)
        engine.silent_before = self._engines[name].silent_before
        return engine


def known_state(stored: bytes | None, cluster: str) -> State | None:
    """The stored state; one that this program cannot read is left behind with a warning: the history stays, roles are learned anew."""
    if stored is None:
        return None
    try:
        state = _STATE.validate_json(stored)
    except ValidationError as err:
        log.warning("the remembered state cannot be read and is learned anew", extra={"cluster": cluster, "errors": err.error_count()})
        return None
    return state if state.version == VERSION else None
