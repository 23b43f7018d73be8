"""The SNMP agent: read-only answers about clusters, nodes, services and open incidents under HAMON-MIB. Off unless it is enabled."""

from hamon.agent.agent import Agent, Present

__all__ = ["Agent", "Present"]
