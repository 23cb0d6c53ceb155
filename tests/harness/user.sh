# Shell functions for running tests as an ordinary user; sourced by the harness here and inside the virtual machine.

plain_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# get_packages PACKAGE...: with apt-get, where this machine lets us; what it says goes to stderr.
get_packages() {
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null 2>&1 ||
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } </dev/null >&2
}

# next_free_id: the first sub-id above every range in use, at least 100000 (subuid(5)).
next_free_id() {
  cat /etc/subuid /etc/subgid 2>/dev/null | awk -F: 'BEGIN { n = 100000 } $2 + $3 > n { n = $2 + $3 } END { print n }'
}

# make_user NAME: an account without a home or a password, with 65536 sub-ids.
make_user() {
  id "$1" >/dev/null 2>&1 || useradd --no-create-home --home-dir /nonexistent --shell /bin/sh "$1"
  local first; first=$(next_free_id)
  grep -q "^$1:" /etc/subuid 2>/dev/null || usermod --add-subuids "$first-$((first + 65535))" "$1"
  grep -q "^$1:" /etc/subgid 2>/dev/null || usermod --add-subgids "$first-$((first + 65535))" "$1"
}

# private_dev: /dev of our own, in a mount namespace of our own. A runtime may change the owner of what is its stdio, and a
# test as another user has changed a machine's /dev/null so. The nodes are those of a small container.
private_dev() {
  local node
  mount -t tmpfs -o mode=755,size=1m dev /dev
  for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do
    IFS=: read -r name major minor <<<"$node"
    mknod -m 666 "/dev/$name" c "$major" "$minor"
  done
  mkdir -m 755 /dev/net /dev/pts /dev/shm /dev/mqueue
  mknod -m 666 /dev/net/tun c 10 200
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /dev/pts
  mount -t tmpfs -o mode=1777 shm /dev/shm
  mount -t mqueue mqueue /dev/mqueue
  ln -s pts/ptmx /dev/ptmx
  ln -s /proc/self/fd /dev/fd
  for node in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${node%:*}" "/dev/${node#*:}"; done
}

# become USER FOLDER COMMAND...: run it as USER with nothing of the caller's environment; home, temporary files and runtime
# folder lie in FOLDER. The variables a caller wants to hand on stand before the command, as for env(1).
become() {
  local user=$1 folder=$2; shift 2
  make_folders "$user" "$folder"
  exec setpriv --reuid "$user" --regid "$user" --init-groups \
    env -i PATH="$plain_path" HOME="$folder/home" TMPDIR="$folder/tmp" XDG_RUNTIME_DIR="$folder/run" \
    USER="$user" LOGNAME="$user" LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 "$@"
}

make_folders() {
  local folder
  for folder in home tmp run; do
    mkdir -p "$2/$folder" && chown "$1:" "$2/$folder" && chmod 700 "$2/$folder"
  done
}

# hierarchies: where cgroup hierarchies with controllers are mounted, of either version.
hierarchies() {
  local folder
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then echo /sys/fs/cgroup; return; fi
  for folder in /sys/fs/cgroup/*; do
    [[ -L $folder || $folder == */systemd ]] || [[ ! -e $folder/cgroup.procs ]] || echo "$folder"
  done
}

# delegate_groups USER NAME: in every hierarchy a group NAME that belongs to USER, as an administrator would delegate it, and
# this shell in it: on v2 in a leaf below it, since a group with processes can't give controllers on (cgroups(7)).
delegate_groups() {
  local folder group file
  for folder in $(hierarchies); do
    group=$folder/$2
    mkdir "$group"
    if [[ -e $group/cgroup.controllers ]]; then
      for file in $(<"$group/cgroup.controllers"); do echo "+$file" >"$group/cgroup.subtree_control"; done
      mkdir "$group/leaf"
      chown "$1:" "$group/leaf" "$group/leaf"/cgroup.{procs,threads,subtree_control}
    elif [[ -e $group/cpuset.cpus ]]; then
      for file in cpuset.cpus cpuset.mems; do cat "$folder/$file" >"$group/$file"; done
    fi
    chown "$1:" "$group"
    for file in cgroup.procs cgroup.threads cgroup.subtree_control tasks; do
      [[ ! -e $group/$file ]] || chown "$1:" "$group/$file"
    done
    [[ -d $group/leaf ]] && group=$group/leaf
    echo "$BASHPID" >"$group/cgroup.procs"
  done
}

# remove_groups NAME: those that delegate_groups made, and what was left in them by then.
remove_groups() {
  local folder
  for folder in $(hierarchies); do
    [[ ! -d $folder/$1 ]] || find "$folder/$1" -depth -type d -exec rmdir {} +
  done
}
