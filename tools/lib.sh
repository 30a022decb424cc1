# shellcheck shell=bash
# What the scripts in tools/ and .ci/ share; they source it. It changes into the root of the tree.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
gatepost_root=$PWD

# Bazel with results kept outside the tree, so that a second checkout or configuration finds them.
#   GATEPOST_BAZEL_ROOT  where Bazel works, for a server of one's own; default: Bazel's choice
#   XDG_CACHE_HOME       whose gatepost/ keeps the results; default: ~/.cache
# Usage: gatepost_bazel COMMAND [ARGUMENT...]
gatepost_bazel() {
  local command=$1 startup=() flags=()
  shift
  [[ -z ${GATEPOST_BAZEL_ROOT-} ]] || startup+=(--output_user_root="$GATEPOST_BAZEL_ROOT")
  [[ -z ${GATEPOST_BAZEL_ROOT-} || $command != @(build|test|run) ]] || flags+=(--symlink_prefix=/)
  case $command in
    build | test | run)
      flags+=(--disk_cache="$(gatepost_cache)")
      # One line a minute where nobody watches.
      [[ -t 2 && -z ${CI-} ]] || flags+=(--curses=no --color=no --show_progress_rate_limit=60)
      ;;
  esac
  # In CI a test that passed before is run again, since programs of the system take part.
  [[ -z ${CI-} || $command != test ]] || flags+=(--cache_test_results=no)
  # Those in which programs of the system take part get a second try, and are named then.
  local theirs='//tests/integration:.*,//tests/smtp/dns:nsd_test,//tests/checks/dkim:interop_test'
  [[ -z ${CI-} || $command != test ]] || flags+=(--flaky_test_attempts="$theirs@2")
  bazel ${startup[@]+"${startup[@]}"} "$command" ${flags[@]+"${flags[@]}"} "$@"
}

# The folder for Bazel's results, made where absent. One per state of the system's packages: Bazel
# does not look at headers in /usr/include, and would not see that they changed.
gatepost_cache() {
  local all=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/gatepost/bazel names state mine
  mapfile -t names < <("$gatepost_root/tools/setup" --names)
  state=$(dpkg-query -W -f='${Package} ${Version}\n' "${names[@]}" libstdc++-12-dev libc6-dev \
    2>/dev/null | sha256sum | cut -c 1-12)
  mine=$all/$state
  mkdir -p "$mine"
  touch "$mine"
  gatepost_prune_cache "$all" "$mine"
  echo "$mine"
}

# Drops what other states of the system left two weeks ago, and all of a folder past 20 GiB.
gatepost_prune_cache() {
  local all=$1 mine=$2 limit_kib=$((20 * 1024 * 1024)) used_kib
  find "$all" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
  used_kib=$(du -sk "$mine" | cut -f 1)
  ((used_kib < limit_kib)) || { rm -rf "$mine" && mkdir -p "$mine"; }
}
