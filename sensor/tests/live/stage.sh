# The stage of an attack on the host. Runs as process 1 of new mount, PID, network, IPC and UTS
# namespaces: puts a fresh file system over every place that attacks change, with a small machine of
# our own on it, and then carries out the attack. Nothing of it reaches the machine outside, and it
# all goes away with the last process.
#
#     sh -c THIS stage ACTOR TOKEN SCRIPT FAKE...
#
# SCRIPT finds the actor as $A, and its copies under other names (FAKE...) in the directory $F.
set -eu
actor=$1 token=$2 script=$3
shift 3

fresh() { mount -t tmpfs -o "mode=$2" live "$1"; }

# The actor first: where it lies may be covered by what follows.
fresh /opt 755
mkdir /opt/live /opt/dev
cp "$actor" /opt/live/actor
for fake; do ln /opt/live/actor "/opt/live/$fake"; done

# Devices: the harmless ones, a file system for terminals and memory of our own.
fresh /opt/dev 755
for device in null zero full random urandom tty; do
    : >"/opt/dev/$device"
    mount --bind "/dev/$device" "/opt/dev/$device"
done
mkdir /opt/dev/shm /opt/dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 live /opt/dev/pts
ln -s pts/ptmx /opt/dev/ptmx
fresh /opt/dev/shm 1777
mount --rbind /opt/dev /dev

for place in /boot /etc /home /mnt /root /run /srv /usr/libexec /usr/local /var/log /var/spool; do
    if [ -d "$place" ]; then fresh "$place" 755; fi
done
fresh /tmp 1777
fresh /var/tmp 1777

# What a small machine has.
mkdir -p /etc/cron.d /etc/pam.d /etc/sudoers.d /etc/security /etc/systemd/system /etc/udev/rules.d \
    /etc/init.d /etc/profile.d /etc/apt/sources.list.d /etc/update-motd.d /etc/audit /etc/ssh \
    /root/.ssh /root/.aws /home/alice/.ssh /usr/local/bin /srv/app/public /srv/app/cache \
    /var/log/nginx /var/spool/cron/crontabs
echo 'root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin' >/etc/passwd
echo 'root:x:0:
www-data:x:33:
nogroup:x:65534:' >/etc/group
echo 'root:*:19000:0:99999:7:::' >/etc/shadow
echo 'root:*::' >/etc/gshadow
echo 'root ALL=(ALL:ALL) ALL' >/etc/sudoers
echo '127.0.0.1 localhost' >/etc/hosts
echo 'auth required pam_unix.so' >/etc/pam.d/login
echo '# none' >/etc/crontab
echo 'not a key' | tee /root/.ssh/id_rsa /home/alice/.ssh/id_rsa /etc/ssh/ssh_host_rsa_key >/root/.aws/credentials
echo 'ssh-rsa none' >/root/.ssh/id_rsa.pub
echo 'began' | tee /var/log/syslog /var/log/auth.log /var/log/app.log >/root/.bash_history
echo 'text' >/srv/app/public/page

/opt/live/actor network 203.0.113.7 169.254.169.254
cd /root
# The script comes through the environment, so that its text is in no command line but those that it
# makes itself; the shell that runs it stays the parent of its last command, too.
env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin HOME=/root A=/opt/live/actor F=/opt/live \
    "FALCO_LIVE=$token" "S=$script" /bin/sh -ec 'eval "$S"
:'
