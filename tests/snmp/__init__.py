"""Sending and answering SNMP, with the programs of net-snmp on the other side."""
