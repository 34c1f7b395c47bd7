# Shared by the scripts beside it: where things are, how long they take, which torch is used, how a build is configured.
# Source it, do not run it.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="${ATTUNE_BUILD_DIR:-$root/build}"
torch_version=2.13.0
# Paths count relative to the checkout, so that a second checkout finds what the first one compiled.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$(basename "$0"): $*"
  exit 1
}

# timed NAME COMMAND…: runs it and says what it took. The seconds are kept for timing_summary.
timings=()
timed() {
  local name="$1" start end status=0
  shift
  start=$(date +%s.%N)
  "$@" || status=$?
  end=$(date +%s.%N)
  timings+=("$(awk -v n="$name" -v s="$start" -v e="$end" 'BEGIN { printf "%-22s %7.1f s", n, e - s }')")
  return "$status"
}
timing_summary() {
  local line
  for line in "${timings[@]}"; do say "  $line"; done
}

# is_torch FOLDER: a torch package of a usable version.
is_torch() {
  [ -e "$1/lib/libtorch_cpu.so" ] && [ -e "$1/version.py" ] || return 1
  local version
  version=$(sed -n "s/^__version__ = '\([0-9]*\.[0-9]*\).*/\1/p" "$1/version.py")
  [ -n "$version" ] && [ "$(printf '%s\n2.11\n' "$version" | sort -V | head -1)" = 2.11 ]
}

# Prints the folder of the torch package to use: what the environment names, .deps, or what python3 imports.
find_torch() {
  local candidate
  local -a candidates=()
  [ -n "${ATTUNE_TORCH:-}" ] && candidates+=("$ATTUNE_TORCH")
  # Torch_DIR and CMAKE_PREFIX_PATH name …/torch/share/cmake[/Torch] or …/torch.
  local -a prefixes=()
  IFS=':;' read -r -a prefixes <<<"${Torch_DIR:-}:${CMAKE_PREFIX_PATH:-}"
  for candidate in "${prefixes[@]}"; do
    [ -n "$candidate" ] && candidates+=("$candidate" "$candidate/../.." "$candidate/../../..")
  done
  candidates+=("$root/.deps/torch")
  for candidate in "${candidates[@]}"; do
    if is_torch "$candidate"; then
      (cd "$candidate" && pwd)
      return 0
    fi
  done
  candidate=$(python3 -c 'import importlib.util as u
s = u.find_spec("torch")
print(s.submodule_search_locations[0] if s and s.submodule_search_locations else "")' 2>/dev/null) || return 1
  [ -n "$candidate" ] && is_torch "$candidate" && printf '%s\n' "$candidate"
}

# configure_build ARGUMENTS…: cmake into $build with these besides the usual ones; what it says is shown when it fails.
configure_build() {
  local log="$build.configure.log" status=0
  cmake -G Ninja -S "$root" -B "$build" "-DATTUNE_TORCH=$torch" "$@" >"$log" 2>&1 || status=1
  [ "$status" = 0 ] || cat "$log" >&2
  rm -f "$log"
  [ "$status" = 0 ] || fail "cmake could not configure the build"
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }
