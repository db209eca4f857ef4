# What the scripts share: installing what is missing, from the machine's own package sources.
# shellcheck shell=bash

note() { printf '%s\n' "$*" >&2; }
die() { note "error: $*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_updated=
apt_install() {
  command -v apt-get >/dev/null || die "this machine has no apt-get; install by hand: $*"
  if [ -z "$apt_updated" ]; then
    note "installing: $*"
    as_root apt-get update -qq || note "apt-get update failed; going on with the lists that are there"
    apt_updated=1
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    die "apt-get could not install: $*"
}

# need_tools TOOL:PACKAGE ...  installs the packages of the tools that are missing
need_tools() {
  local missing=() pair
  for pair in "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# A C linker, libudev's headers, and a Rust that is new enough.
need_build_tools() {
  need_tools cc:gcc pkg-config:pkg-config
  pkg-config --exists libudev || apt_install libudev-dev libc6-dev
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  if ! rust_is_new_enough; then
    note "installing a Rust toolchain"
    if apt_rust_is_new_enough; then
      apt_install cargo rustc
    elif apt-cache show rustup >/dev/null 2>&1; then
      apt_install rustup
      rustup default stable >/dev/null 2>&1 || true
    else
      need_tools curl:curl
      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs 2>/dev/null |
        sh -s -- -y --profile minimal --component clippy,rustfmt >/dev/null 2>&1 || true
      [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    fi
  fi
  rust_is_new_enough || die "Rust $(rust_wanted) or newer is needed, $(rustc --version 2>/dev/null || echo none) is here.
       Install it with rustup (see the Rust project's site), then run this again."
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
  cargo build --release --locked --quiet
}
