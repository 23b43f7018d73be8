"""The section `[metrics]`."""

from hamon.expose.ha_cluster import RoleNames
from hamon.section import Section


class MetricsConfig(Section):
    """What Prometheus is shown beside hamon's own metrics."""

    ha_cluster: bool = False
    """Show the metrics of ha_cluster_exporter in /metrics too, with the label cluster; /metrics/ha_cluster?cluster=NAME has them anyway."""
    ha_cluster_roles: RoleNames = RoleNames.NEW
    """The words for roles in these: promoted and unpromoted (new), or master and slave (old)."""
