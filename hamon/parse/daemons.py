"""Names of the daemons: the 2.x name is the one used inside; older names are translated once."""

# Pacemaker 1.1 name -> name since 2.0 (pacemakerd kept its name).
SINCE_2_0 = {
    "crmd": "pacemaker-controld",
    "pengine": "pacemaker-schedulerd",
    "attrd": "pacemaker-attrd",
    "stonith-ng": "pacemaker-fenced",
    "stonithd": "pacemaker-fenced",
    "cib": "pacemaker-based",
    "lrmd": "pacemaker-execd",
    "pacemaker_remoted": "pacemaker-remoted",
}


def current_name(daemon: str) -> str:
    """The name since Pacemaker 2.0 of a daemon; other names are given back as they are.

    >>> current_name("crmd"), current_name("corosync")
    ('pacemaker-controld', 'corosync')
    """
    return SINCE_2_0.get(daemon, daemon)
