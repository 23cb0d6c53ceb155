# Shell functions and settings of the virtual machine, with systemd or without.

source /run/v2vm/settings  # user folder modules release
source /run/v2vm/user.sh
export PATH=$plain_path HOME=/root LANG=C.UTF-8 ISOLIB_LAB=/srv/isolib-lab TMPDIR=/srv/isolib-lab/tmp

off() { sync; /run/v2vm/busybox poweroff -f; }

# set_up: the disk, the modules that a desktop or server has loaded, the loopback device; goes to the caller's folder.
set_up() {
  mkdir -p "$ISOLIB_LAB"
  mount /dev/vda "$ISOLIB_LAB" || { echo 'v2vm: no ext4 disk' >/dev/console; off; }
  mkdir -p -m 1777 "$TMPDIR"
  mkdir -p "$ISOLIB_LAB/var-lib-isolib" /var/lib/isolib  # root's state, which elsewhere is on a disk as well
  mount --bind "$ISOLIB_LAB/var-lib-isolib" /var/lib/isolib
  mkdir -p -m 755 "/lib/modules/$release"
  [[ $modules == /lib/modules/* ]] || mount --bind "$modules" "/lib/modules/$release"
  modprobe -a veth bridge tun fuse loop dummy macvlan nf_tables squashfs 2>/dev/null
  ip link set lo up
  hostname v2vm
  cd "$folder" 2>/dev/null || cd /
}

# start_output: /run/v2vm/output is a pipe, as output would be elsewhere, and what is written to it leaves the machine.
start_output() {
  mkfifo /run/v2vm/output
  cat /run/v2vm/output >/dev/vport1p1 & copying=$!
}

# end STATUS: hand the exit status on and turn the machine off. What was left behind with the output open may not keep it on.
end() {
  local status=$1 i
  for ((i = 0; i < 50; i++)); do kill -0 "$copying" 2>/dev/null || break; sleep 0.1; done
  if kill -0 "$copying" 2>/dev/null; then
    echo 'v2vm: the command ended and left processes behind that hold its output:' >/run/v2vm/output
    ps -e -o pid,ppid,user,comm,cgroup >/run/v2vm/output
    kill "$copying"
    ((status)) || status=1
  fi
  echo "$status" >/dev/vport1p2
  off
}
