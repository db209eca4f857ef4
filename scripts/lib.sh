# What the scripts share: installing what is missing, from the machine's own package sources.
# shellcheck shell=bash

note() { printf '%s\n' "$*" >&2; }
die() { note "error: $*"; exit 1; }

# mkfs, losetup and the like: Debian's ordinary users, and root after a plain `su`, do not have these folders in
# their PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

may_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    may_be_root || die "you are not root and there is no sudo here. As root: $*"
    sudo "$@"
  fi
}

# owner  whose checkout this is, where root works for somebody else by sudo: what is built here is to be theirs, with
# their Rust. Fails where it is nobody but who runs this.
owner() {
  [ "$(id -u)" = 0 ] && [ "${SUDO_UID:-0}" != 0 ] && [ "$(stat -c %u .)" = "$SUDO_UID" ] && id -nu "$SUDO_UID"
}

# to_owner NAME COMMAND...  with all of the environment but what leads to root's own files
to_owner() {
  local name=$1 target=${CARGO_TARGET_DIR:-target} folder
  shift
  for folder in "$target" "$target/debug" "$target/release"; do
    # Of an earlier build as root.
    if [ -d "$folder" ] && [ "$(stat -c %U "$folder")" != "$name" ]; then
      die "$folder is not $name's. Give it back (chown -R $name $target) or remove it, then run this again."
    fi
  done
  env -u XDG_CONFIG_HOME -u XDG_CACHE_HOME -u CARGO_HOME -u RUSTUP_HOME -u SUDO_UID \
    HOME="$(getent passwd "$name" | cut -d: -f6)" runuser -u "$name" -- "$@"
}

# as_owner LINE  runs a line of bash that knows this file
as_owner() {
  local name
  if name=$(owner); then
    to_owner "$name" bash -euo pipefail -c ". scripts/lib.sh; $1"
  else
    eval "$1"
  fi
}

# take_away FOLDER  with the mounts, swap and loop devices that stand on files in it, and the processes whose command
# line names it; as root. For what was made by somebody who was killed.
take_away() {
  local folder=$1 process file loops=() loop mount
  [ -n "$folder" ] && [ -d "$folder" ] || return 0
  for process in /proc/[0-9]*; do
    if grep -aqsF -- "$folder/" "$process/cmdline"; then kill -KILL "${process#/proc/}" 2>/dev/null || true; fi
  done
  for file in /sys/block/loop*/loop/backing_file; do
    if [ -e "$file" ] && [[ $(cat "$file" 2>/dev/null) = "$folder"/* ]]; then
      file=${file%/loop/backing_file}
      loops+=("/dev/${file##*/}")
    fi
  done
  for loop in "${loops[@]+"${loops[@]}"}"; do
    if grep -qs "^$loop " /proc/swaps; then swapoff "$loop" || true; fi
    for mount in $(awk -v l="$loop" '$1==l {print $2}' /proc/mounts | tac); do umount -l "$mount" || true; done
  done
  for file in $(awk -v f="$folder/" 'index($1, f)==1 {print $1}' /proc/swaps); do swapoff "$file" || true; done
  for mount in $(awk -v f="$folder/" 'index($2, f)==1 {print $2}' /proc/mounts | tac); do umount -l "$mount" || true; done
  for loop in "${loops[@]+"${loops[@]}"}"; do losetup -d "$loop" 2>/dev/null || true; done
  rm -rf --one-file-system "$folder"
}

apt_updated=
apt_update() {
  if [ -n "$apt_updated" ]; then return; fi
  local told tries=0
  # Right after its first start a machine may be at it by itself.
  until told=$(as_root env LC_ALL=C apt-get update -qq 2>&1); do
    if [[ $told != *"Could not get lock"* ]] || [ "$tries" -ge 60 ]; then
      note "$told" && note "apt-get update failed; going on with the lists that are there"
      break
    fi
    if [ "$tries" = 0 ]; then note "waiting for another program that updates the package lists"; fi
    tries=$((tries + 1))
    sleep 5
  done
  apt_updated=1
}

apt_install() {
  command -v apt-get >/dev/null || die "this machine has no apt-get; install by hand: $*"
  may_be_root || die "missing here: $*. You are not root and there is no sudo: nothing was installed.
       As root: apt-get install $*
       Then run this again."
  note "installing: $*"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y -qq --no-install-recommends "$@" >/dev/null ||
    die "apt-get could not install: $*"
}

# need_tools TOOL:PACKAGE ...  installs the packages of the tools that are missing
need_tools() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# offers PACKAGE  whether the machine's package sources have it as a package that holds the program. Ubuntu has some
# that only fetch a snap, which sees neither /tmp nor the tests' profiles.
offers() {
  local told
  command -v apt-cache >/dev/null || return 1
  told=$(apt-cache show --no-all-versions "$1" 2>/dev/null) || return 1
  [ -n "$told" ] && ! grep -qiE '^(Pre-Depends|Depends):.*snapd|transitional (dummy )?package' <<<"$told"
}

# forgets FOLDER  whether what is written there is gone after a reboot, as lastwrite judges it: it lies in memory, or on
# an overlay (a container, a live system) that writes to memory or to where nobody here can look
forgets() {
  local folder=$1 kind
  kind=$(stat -f -c %T "$folder")
  if [[ $kind = overlay* ]]; then
    folder=$(findmnt -n -o OPTIONS -T "$folder" | sed -n 's/.*upperdir=\([^,]*\).*/\1/p')
    kind=$(stat -f -c %T "$folder" 2>/dev/null) || kind=unseen
  fi
  case $kind in tmpfs | ramfs | overlay* | unseen) return 0 ;; *) return 1 ;; esac
}

# Prints a folder for temporary files from which lastwrite wipes: one that survives a reboot.
disk_tmp() {
  local folder
  for folder in "${TMPDIR:-}" /tmp /var/tmp; do
    if [ -n "$folder" ] && [ -d "$folder" ] && [ -w "$folder" ] && ! forgets "$folder"; then
      (cd "$folder" && pwd -P)
      return
    fi
  done
  if forgets .; then return 1; fi
  mkdir -p target/tmp && printf '%s\n' "$PWD/target/tmp"
}

no_disk="lastwrite wipes nothing where its evidence would not survive a reboot: in memory, or on a container's overlay.
       Name a folder on a disk (in a container: a mounted volume)"

# need_room GIB
need_room() {
  local free
  free=$(df --output=avail -BG . | tail -1 | tr -dc 0-9)
  [ "$free" -ge "$1" ] || die "building and testing needs $1 GiB of disk here; $free GiB are free"
}

# A C linker, libudev's headers, and a Rust that is new enough. Nobody's own Rust is replaced, nor which one is their
# default.
need_build_tools() {
  need_tools cc:gcc pkg-config:pkg-config
  pkg-config --exists libudev || apt_install libudev-dev libc6-dev
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  if ! rust_is_new_enough; then
    note "installing a Rust toolchain"
    # A new machine has no lists yet, and would seem to offer nothing.
    if command -v apt-get >/dev/null && may_be_root; then apt_update; fi
    if command -v rustup >/dev/null; then
      rustup_beside
    elif apt_rust_is_new_enough; then
      apt_install cargo rustc
    # The package takes the place of cargo and rustc.
    elif ! command -v cargo >/dev/null && ! command -v rustc >/dev/null && apt-cache show rustup >/dev/null 2>&1; then
      apt_install rustup
      rustup_beside
    else
      command -v curl >/dev/null || apt_install curl ca-certificates
      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs 2>/dev/null |
        RUSTUP_INIT_SKIP_PATH_CHECK=yes \
          sh -s -- -y --no-modify-path --default-toolchain stable --profile minimal --component clippy,rustfmt >/dev/null 2>&1 || true
      # Before an older one of the distribution.
      export PATH="$HOME/.cargo/bin:$PATH"
    fi
  fi
  rust_is_new_enough || die "Rust $(rust_wanted) or newer is needed, $(rustc --version 2>/dev/null || echo none) is here.
       Install it with rustup (see the Rust project's site), then run this again."
}

# A toolchain that is new enough beside those that are there, for this run alone.
rustup_beside() {
  local name
  name=$(rust_wanted)
  if rustup toolchain list 2>/dev/null | grep -q "^$name-" ||
    rustup toolchain install "$name" --profile minimal --component clippy --component rustfmt >/dev/null 2>&1; then
    export RUSTUP_TOOLCHAIN=$name
  fi
}

# A Python of our own with a JOSE library that is not ours, first in PATH; made once.
need_joserfc() {
  local venv=$PWD/target/venv
  if ! "$venv/bin/python" -c 'import joserfc' 2>/dev/null; then
    need_tools python3:python3
    note "making target/venv with joserfc"
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
      apt_install python3-venv
      python3 -m venv --clear "$venv"
    fi
    "$venv/bin/pip" install --quiet --disable-pip-version-check joserfc ||
      die "pip could not install joserfc; the certificate tests need it (network?)"
  fi
  export PATH="$venv/bin:$PATH"
}

rust_wanted() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

# The distribution's own Rust, when that is new enough.
apt_rust_is_new_enough() {
  local offered
  offered=$(apt-cache policy rustc 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
  [ -n "$offered" ] && [ "$(printf '%s\n%s\n' "$(rust_wanted)" "$offered" | sort -V | head -1)" = "$(rust_wanted)" ]
}

rust_is_new_enough() {
  command -v cargo >/dev/null || return 1
  local have
  have=$(rustc --version 2>/dev/null | cut -d' ' -f2) || return 1
  [ "$(printf '%s\n%s\n' "$(rust_wanted)" "$have" | sort -V | head -1)" = "$(rust_wanted)" ]
}

build_release() {
  note "building (the first time takes some minutes)"
  cargo build --release --locked --quiet "$@"
}

# filters_match CARGO_OPTION... -- FILTER...  each filter names a test, or a word mistyped would pass as a good run
filters_match() {
  local options=() names filter
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  if [ $# -eq 0 ]; then return; fi
  names=$(cargo test --locked --quiet "${options[@]}" -- --list </dev/null) || die "the tests could not be listed"
  names=$(sed -n 's/: test$//p' <<<"$names")
  for filter in "$@"; do
    grep -qF -- "$filter" <<<"$names" || die "no test has \"$filter\" in its name; nothing was tested"
  done
}
