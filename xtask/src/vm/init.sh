#!/bin/busybox sh
# What a virtual machine of `cargo xtask vm` does: it makes a pool of many users, and lets one of them
# do what would take the machine from the others. A line that begins with "VM: " is shown.
/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/usr/bin:/bin HOME=/root UPDRAFT_MAIL=none
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777,size=200m tmp /tmp
mkdir -p /var/tmp /var/lib/updraft /home/ann /home/bob
chmod 1777 /var/tmp
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
hostname vm
printf 'root:x:0:0:root:/root:/bin/sh\nupdraft:x:200:200::/:/bin/false\nann:x:1001:1001::/home/ann:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\nupdraft:x:200:\nann:x:1001:\nbob:x:1002:\n' >/etc/group
printf '127.0.0.1 localhost vm\n' >/etc/hosts
printf 'UID_MIN 1000\n' >/etc/login.defs
chown ann:ann /home/ann
chown bob:bob /home/bob

end() {
    echo "VM: $1"
    tail -n 30 /var/lib/updraft/log/startd.log /var/lib/updraft/root/launcher.log
    poweroff -f
}
# as USER WORDS: updraft WORDS as that user, at home.
as() {
    user=$1
    shift
    (cd "/home/$user" && HOME=/home/$user /usr/bin/setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups updraft "$@")
}
# job USER LINE...: submits /home/USER/job.sh with these lines; its number.
job() {
    user=$1
    shift
    {
        printf "executable = job.sh\nrequest_disk = 1MB\n"
        for line in "$@"; do echo "$line"; done
        echo queue
    } >"/home/$user/job.sub"
    chmod 755 "/home/$user/job.sh"
    chown "$user:$user" "/home/$user/job.sub" "/home/$user/job.sh"
    as "$user" submit job.sub | sed -n 's/.*cluster \([0-9]*\)\..*/\1/p'
}
# of JOB NAME: an attribute of a job, in the queue or of the history.
of() {
    found=$(updraft q "$1" -af "$2")
    [ -n "$found" ] || found=$(updraft history "$1" -af "$2")
    echo "$found"
}
# until_it_is JOB NAME VALUE: waits until it is so.
until_it_is() {
    [ -n "$1" ] || end "a job is not submitted"
    n=0
    while [ "$(of "$1" "$2")" != "$3" ]; do
        n=$((n + 1))
        [ $n -lt 60 ] || {
            updraft q "$1"
            end "job $1 has $2 = $(of "$1" "$2"), and not $3, after two minutes"
        }
        sleep 2
    done
}

echo "VM: Linux $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
printf 'MAX_PROCESSES_PER_JOB = 64\n' >/var/lib/updraft/config
updraft pool start --system --cpus 4 --memory 640 || end "the pool does not start"

printf '#!/bin/sh\nexec dd if=/dev/zero of=/dev/null bs=300M count=1\n' >/home/ann/job.sh
hog=$(job ann 'request_memory = 100')
until_it_is "$hog" JobStatus 5
reason=$(of "$hog" HoldReason)
code="$(of "$hog" HoldReasonCode)/$(of "$hog" HoldReasonSubCode)"
[ "$code" = 34/102 ] || end "a job that wanted too much memory is held with $code: $reason"
case $reason in
*"memory limit of 128 megabytes. Last measured usage: 12"*) ;;
*) end "a job that wanted too much memory is told: $reason" ;;
esac
echo "VM: memory: hold $code, $reason"

again=$(job ann 'request_memory = 100' 'retry_request_memory = 400')
until_it_is "$again" JobStatus 4
[ "$(of "$again" NumJobStarts)" = 2 ] || end "a job that asks for more has had $(of "$again" NumJobStarts) runs"
echo "VM: memory: a job that asks for more has it, and ends"

printf '#!/bin/sh\ntouch begun\nb() { b | b & }\nwhile :; do b; done\n' >/home/ann/job.sh
bomb=$(job ann 'request_cpus = 2')
until_it_is "$bomb" JobStatus 2
# Its group, among those of helpers.
group() {
    found=$(grep -lx 64 /sys/fs/cgroup/run-*/pids.max 2>/dev/null | head -n 1)
    echo "${found%/*}"
}
n=0
until [ "$(cat "$(group)/pids.current" 2>/dev/null || echo 0)" -ge 60 ]; do
    n=$((n + 1))
    [ $n -lt 120 ] || end "a fork bomb has $(cat /sys/fs/cgroup/run-*/pids.current) processes"
    sleep 1
done
weight=$(cat "$(group)/cpu.weight")
[ "$weight" = 200 ] || end "cpu.weight is $weight for two processors"
printf '#!/bin/sh\necho well >made\n' >/home/bob/job.sh
other=$(job bob)
until_it_is "$other" JobStatus 4
# Its first shell may have ended by itself, because it could start no more.
as ann rm "$bomb" || [ "$(of "$bomb" JobStatus)" = 4 ] || end "a fork bomb cannot be removed"
n=0
while pgrep -u ann sh >/dev/null; do
    n=$((n + 1))
    [ $n -lt 60 ] || end "of a fork bomb is left: $(pgrep -u ann -l | head -n 3)"
    sleep 1
done
echo "VM: processes: a fork bomb had 64, another's job ran beside it, and nothing of it is left"

printf '#!/bin/sh\necho mine >/tmp/left && echo mine >/var/tmp/left && ls -A /tmp /var/tmp\n' >/home/ann/job.sh
private=$(job ann 'output = out')
until_it_is "$private" JobStatus 4
[ -z "$(ls -A /tmp /var/tmp | grep left)" ] || end "a job's /tmp is the machine's: $(ls -A /tmp)"
[ "$(grep -c left /home/ann/out)" = 2 ] || end "a job's /tmp is not its own: $(cat /home/ann/out)"
echo "VM: /tmp: a job has its own, and nothing of it is left"

updraft pool stop --now
echo "VM: all is well"
poweroff -f
