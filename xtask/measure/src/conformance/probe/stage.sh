# The stage of the scenario `edge`. Runs in new mount, network, IPC and UTS namespaces and makes of
# this machine what the scenario looks at of the one on which Falco recorded it; all of that goes away
# with the last process. There is no new PID namespace, since events tell of those.
#
#     bash THIS ROOM SECONDS
#
# ROOM holds the folders opt, srv and etc that cover the machine's own, and gets what is printed.
set -eu
room=$1 seconds=$2

# Numbers of descriptors are compared: nothing but the three standard ones is handed down.
for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
done
mount --bind "$room/opt" /opt
mount --bind "$room/srv" /srv
for file in passwd group hostname; do mount --bind "$room/etc/$file" "/etc/$file"; done
mount -t tmpfs -o mode=1777 probe /tmp
mount -t cgroup2 probe /sys/fs/cgroup
echo node1 >/proc/sys/kernel/hostname
# The addresses that the guest's loopback device had.
/opt/lab/act netup 10.96.0.1 169.254.169.254 203.0.113.7 192.0.2.10 198.51.100.23

ulimit -c 0
ulimit -Sn 1024
ulimit -Hn 4096
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root \
    LANG=C.UTF-8 timeout -k 5 "$seconds" /bin/bash /opt/lab/edge.sh >/opt/scratch/edge.scenario.log 2>&1
