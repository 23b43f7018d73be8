"""pm_logconv.out of a two-node cluster, as pm_logconv-cs 2.6 writes it: what happened, by second."""

from collections.abc import Sequence

FILE = "pm_logconv.out"

# Second, node whose converter writes the line, and the line from its priority on.
Lines = Sequence[tuple[int, str, str]]

C: Lines = (
    (0, "n1", "   info: Resource prmPg tries to stop."),
    (1, "n1", "   info: Resource prmPg stopped. (rc=0) ok"),
    (1, "n1", "   info: Resource prmEx tries to stop."),
    (1, "n1", "   info: Resource prmEx stopped. (rc=0) ok"),
    (1, "n2", "   info: Resource prmEx tries to start."),
    (2, "n2", "   info: Resource prmEx started. (rc=0) ok"),
    (2, "n2", "   info: Resource prmPg tries to start."),
    (3, "n2", "   info: Resource prmPg started. (rc=0) ok"),
)
A: Lines = (
    (0, "n1", "  error: Resource prmPg does not work. (rc=7) not running"),
    (0, "n1", "  error: Start to fail-over."),
    *C,
    (4, "n1", "   info: Resource prmEx : Move n1 -> n2"),
    (4, "n1", "   info: Resource prmPg : Move n1 -> n2"),
    (4, "n1", "   info: fail-over succeeded."),
)
B: Lines = (
    (0, "n2", "warning: Node n1 is lost"),
    (0, "n2", "  error: Start to fail-over."),
    (0, "n2", "   info: Try to STONITH (reboot) n1."),
    (0, "n2", "   info: Try to execute STONITH device st1-1 on n2 for reboot n1."),
    (4, "n2", "warning: Failed to execute STONITH device st1-1 for n1."),
    (4, "n2", "   info: Try to execute STONITH device st1-2 on n2 for reboot n1."),
    (9, "n2", "   info: Succeeded to execute STONITH device st1-2 for n1."),
    (9, "n2", "   info: Succeeded to STONITH (reboot) n1 by n2."),
    (9, "n2", "   info: Resource prmEx tries to start."),
    (10, "n2", "   info: Resource prmEx started. (rc=0) ok"),
    (10, "n2", "   info: Resource prmPg tries to start."),
    (11, "n2", "   info: Resource prmPg started. (rc=0) ok"),
    (11, "n2", "   info: Resource prmEx : Move n1 -> n2"),
    (11, "n2", "   info: Resource prmPg : Move n1 -> n2"),
    (11, "n2", "   info: fail-over succeeded."),
)
D: Lines = (
    (0, "n1", "   info: Pacemaker on n2 is shutting down."),
    (9, "n1", "warning: Node n2 is lost"),
)
SERVICE_ON_N1: Lines = (
    (0, "n1", "   info: Resource prmEx tries to start."),
    (1, "n1", "   info: Resource prmEx started. (rc=0) ok"),
    (1, "n1", "   info: Resource prmPg tries to start."),
    (2, "n1", "   info: Resource prmPg started. (rc=0) ok"),
)
E: Lines = ((0, "n2", "  error: Resource prmPing failed to monitor. (rc=1) unknown error"),)
