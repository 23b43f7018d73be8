#!/bin/bash
# Process 1 of a node: mounts what is the node's own, and starts its syslog and its cluster.
# With `start` or `stop`: starts and stops the cluster on a node that runs.
# NODE, DISK and POWER (the folder with the socket of the power switch) come in the environment; CLUSTER=1 starts the cluster too.

start_cluster() {
    corosync || return 1
    for _ in $(seq 100); do corosync-cfgtool -s >/dev/null 2>&1 && break; sleep 0.1; done
    ( set -a; . /etc/default/pacemaker; set +a; exec setsid pacemakerd </dev/null >/dev/null 2>&1 ) &
}

stop_cluster() {
    # Its own pid namespace: the names are found on this node only.
    pkill -TERM -x pacemakerd
    for _ in $(seq 900); do pgrep -x pacemakerd >/dev/null || break; sleep 0.1; done
    corosync-cfgtool -H >/dev/null 2>&1
    for _ in $(seq 100); do pgrep -x corosync >/dev/null || break; sleep 0.1; done
}

case "${1:-}" in
    start) start_cluster; exit ;;
    stop) stop_cluster; exit ;;
esac

set -e
mount --make-rprivate /
mount -t proc proc /proc
[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null /proc/sysrq-trigger
mount -o bind,ro /proc/sys /proc/sys 2>/dev/null || true
hostname "$NODE"

# Built below /mnt, since /dev, /run and /tmp are needed until they are covered.
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/run/node /mnt/run/lock /mnt/run/power /mnt/run/resource-agents /mnt/run/agents /mnt/dev/shm /mnt/dev/pts
chmod 1777 /mnt/run/lock /mnt/run/resource-agents
while read -r name major minor; do mknod -m 666 "/mnt/dev/$name" c "$major" "$minor"; done <<'DEVICES'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
DEVICES
ln -s /proc/self/fd /mnt/dev/fd
ln -s fd/0 /mnt/dev/stdin
ln -s fd/1 /mnt/dev/stdout
ln -s fd/2 /mnt/dev/stderr
mount -t tmpfs -o mode=1777 tmpfs /mnt/dev/shm
mount --bind "$DISK/node" /mnt/run/node
mount --bind "$POWER" /mnt/run/power

# The fence agent joins /usr/sbin for this node only.
mount -t overlay overlay -o "lowerdir=$DISK/sbin:/usr/sbin" /usr/sbin
mount --bind "$DISK/etc" /etc
mount --bind "$DISK/log" /var/log
mount --bind "$DISK/root" /root
mount --bind "$DISK/var/pacemaker" /var/lib/pacemaker
mount --bind "$DISK/var/corosync" /var/lib/corosync
[ ! -d /var/lib/snmp ] || mount --bind "$DISK/var/snmp" /var/lib/snmp

# Each agent first does what stands in /run/node/inject/RESOURCE.OPERATION; such a piece may end it with an error.
for agent in pacemaker/Dummy pacemaker/Stateful pacemaker/ping; do
    file=/usr/lib/ocf/resource.d/$agent
    mkdir -p "/mnt/run/agents/$agent"
    cp -p "$file" "/mnt/run/agents/$agent/real"
    cat >"/mnt/run/agents/$agent/wrapped" <<WRAPPED
#!/bin/sh
piece=/run/node/inject/\${OCF_RESOURCE_INSTANCE%%:*}.\$1
if [ -n "\$OCF_RESOURCE_INSTANCE" ] && [ -e "\$piece" ]; then . "\$piece"; fi
exec /run/agents/$agent/real "\$@"
WRAPPED
    chmod 755 "/mnt/run/agents/$agent/wrapped"
    mount --bind "/mnt/run/agents/$agent/wrapped" "$file"
done

mount --rbind /mnt/run /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount --rbind /mnt/dev /dev
umount -l /mnt
set +e

# LATE=SECONDS: the stamps of this node's syslog are late by so much.
if [ -n "${LATE:-}" ]; then
    LD_PRELOAD=$FAKETIME FAKETIME=-${LATE}s DONT_FAKE_MONOTONIC=1 rsyslogd -f /etc/rsyslog.conf -i /run/rsyslogd.pid
else
    rsyslogd -f /etc/rsyslog.conf -i /run/rsyslogd.pid
fi
[ "$CLUSTER" != 1 ] || start_cluster
touch /run/node/booted
# Process 1 reaps what nobody else waits for.
while :; do wait -n 2>/dev/null || sleep 1; done
