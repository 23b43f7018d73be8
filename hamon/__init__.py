"""hamon: monitoring and alerting gateway for Pacemaker/Corosync high-availability clusters."""

__version__ = "0.1.0"
