"""What one status shows of each primitive: where it runs in which role, and what it is part of. Pure; the tree of resources made flat."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hamon.classify.read import without_instance
from hamon.model.cluster import BundleStatus, CloneStatus, GroupStatus, InstanceStatus, ResourceStatus, Role


@dataclass(slots=True)
class Surveyed:
    """A primitive, all its instances taken together. `path`: the ids of what holds it, outermost first (clone, group, bundle).

    `roles`: node -> role, also transitional ones; `stale`: nodes that are not online, where it was when last heard of.
    `group`: the group that it is a member of. `clone`: there can be several instances. `stopped`: how many instances run nowhere.
    """

    id: str
    path: tuple[str, ...] = ()
    group: str | None = None
    clone: bool = False
    promotable: bool = False
    device: bool = False
    hidden: bool = False
    """No service of its own: part of a bundle (which is shown under its own id), or the connection to a remote node."""
    roles: dict[str, Role] = field(default_factory=dict)
    stale: dict[str, Role] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    """Nodes where nothing can be done with it; `""`: it runs nowhere."""
    unmanaged: set[str] = field(default_factory=set)
    target_role: Role | None = None
    maintenance: bool = False
    orphaned: bool = False
    stopped: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Ids under which constraints and thresholds may mean it."""
        return (self.id, *self.path)

    @property
    def is_moving(self) -> bool:
        """Whether an operation on it is under way."""
        return any(role.is_transitional for role in self.roles.values())


def survey(resources: Sequence[ResourceStatus]) -> dict[str, Surveyed]:
    """All primitives of a status by id, in its order. A bundle stands under its own id, on the nodes that its containers are on."""
    found: dict[str, Surveyed] = {}
    for item in resources:
        if isinstance(item, BundleStatus):
            _bundle(found, item)
    for instance, path, group, around in _instances(resources):
        name = without_instance(instance.id)
        known = found.get(name)
        if known is None:
            known = found[name] = Surveyed(
                id=name,
                path=path,
                group=group,
                clone=isinstance(around, CloneStatus),
                promotable=isinstance(around, CloneStatus) and around.promotable,
                device=instance.is_fence_device,
                hidden=isinstance(around, BundleStatus) or instance.agent == "ocf:pacemaker:remote",
                target_role=instance.target_role or (around.target_role if isinstance(around, CloneStatus) else None),
            )
        _add(known, instance)
    return found


def _bundle(found: dict[str, Surveyed], bundle: BundleStatus) -> None:
    """What serves is the primitive in the containers, or the containers themselves; where it serves are the nodes of the containers."""
    known = found[bundle.id] = Surveyed(id=bundle.id, clone=len(bundle.replicas) > 1)
    for replica in bundle.replicas:
        container = next((item for item in replica.resources if item.agent.rpartition(":")[2] in _CONTAINERS), None)
        rest = [item for item in replica.resources if item is not container and item.agent != "ocf:pacemaker:remote"]
        inner = next((item for item in rest if not item.agent.rpartition(":")[2].startswith("IPaddr")), container)
        if inner is None or container is None:
            continue
        known.promotable = known.promotable or inner.role in (Role.PROMOTED, Role.UNPROMOTED, Role.PROMOTING, Role.DEMOTING)
        places = container.nodes if inner.nodes else ()
        _add(known, replace(inner, nodes=places, blocked=inner.blocked or container.blocked, failed=inner.failed or container.failed))


def _add(known: Surveyed, instance: InstanceStatus) -> None:
    known.maintenance = known.maintenance or instance.maintenance
    known.orphaned = known.orphaned or instance.orphaned
    places = [place.node for place in instance.nodes]
    if not instance.nodes:
        known.stopped += 1
    for place in instance.nodes:
        if not place.cached:
            known.stale[place.node] = instance.role
        elif known.roles.get(place.node) is not Role.PROMOTED:
            known.roles[place.node] = instance.role
    if instance.failed and not instance.failure_ignored:
        known.failed.update(places)
    if instance.blocked:
        known.blocked.update(places or ("",))
    if not instance.managed:
        known.unmanaged.update(places or ("",))


_CONTAINERS = frozenset({"docker", "podman", "rkt"})
Around = CloneStatus | BundleStatus | None


def _instances(resources: Sequence[ResourceStatus]) -> Iterator[tuple[InstanceStatus, tuple[str, ...], str | None, Around]]:
    for item in resources:
        match item:
            case InstanceStatus():
                yield item, (), None, None
            case GroupStatus():
                for member in item.members:
                    yield member, (item.id,), item.id, None
            case CloneStatus():
                for instance in item.instances:
                    yield instance, (item.id,), None, item
                for group in item.groups:
                    name = without_instance(group.id)
                    for member in group.members:
                        yield member, (item.id, name), name, item
            case BundleStatus():
                for replica in item.replicas:
                    for part in replica.resources:
                        yield part, (item.id,), None, item
