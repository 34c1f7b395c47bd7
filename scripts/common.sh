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

pip_into() { # pip_into FOLDER ARGUMENTS…
  local folder="$1"
  shift
  python3 -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore \
    --target "$folder" "$@" >&2
}

# What libtorch_cpu.so of a CUDA wheel asks for although nothing of it is used without a GPU: libcudart and libcupti,
# 13 MB, of the versions the wheel names. The rest of its dependencies is gigabytes.
cuda_runtime_requirements() { # FOLDER that holds torch-*.dist-info
  sed -n -E 's/^Requires-Dist: *((nvidia-cuda-(runtime|cupti)(-cu[0-9]+)?) *\(?(==[0-9.]+)?\)?).*/\2\5/p' \
    "$1"/torch-*.dist-info/METADATA
  sed -n -E 's/^Requires-Dist: *cuda-toolkit(\[[^]]*\])? *\(?(==[0-9.*]+)\)?.*/cuda-toolkit[cudart,cupti]\2/p' \
    "$1"/torch-*.dist-info/METADATA
}

# download_torch VERSION FOLDER GPU(yes|no): the Python package torch with what it needs, into the folder.
download_torch() {
  local version="$1" folder="$2"
  local -a extra=(--no-deps)
  [ "$3" = no ] || extra=()
  mkdir -p "$folder"
  pip_into "$folder" "${extra[@]}" "torch==$version" || {
    say "pip could not install torch $version"
    return 1
  }
  # Without a GPU the part of a CUDA wheel that computes on one is gigabytes for nothing, and asks for as many more.
  [ "$3" = yes ] || rm -f "$folder"/torch/lib/libtorch_cuda*.so
  [ "$3" = no ] && readelf -d "$folder/torch/lib/libtorch_cpu.so" | grep -qE 'NEEDED.*lib(cudart|cupti)' || return 0
  mapfile -t extra < <(cuda_runtime_requirements "$folder" | sort -u)
  say "this wheel is built for CUDA; adding ${extra[*]}"
  [ ${#extra[@]} = 0 ] || pip_into "$folder" "${extra[@]}" || {
    say "pip could not install ${extra[*]}"
    return 1
  }
}

# configure_build ARGUMENTS…: cmake into $build with these besides the usual ones; what it says is shown when it fails.
configure_build() {
  local log="$build.configure.log" status=0
  cmake -G Ninja -S "$root" -B "$build" "-DATTUNE_TORCH=$torch" "$@" >"$log" 2>&1 || status=1
  [ "$status" = 0 ] || cat "$log" >&2
  rm -f "$log"
  [ "$status" = 0 ] || fail "cmake could not configure the build"
}

# How a build from nothing is fastest on few cores: in few pieces, for each costs its headers anew. An edit afterwards
# compiles a larger piece again, and many cores would wait for the last ones.
few_pieces=(-DATTUNE_FILES_TOGETHER=16 -DATTUNE_SUB_FOLDERS_TOGETHER=ON)
[ "$(nproc)" -le 4 ] || few_pieces=()

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }

# The instruction sets that libtorch's kernels, the libraries it calls and our own are written for and this processor has, in
# ascending order. On others than x86-64 there is one, "default".
instruction_levels() {
  local flags
  flags=" $(sed -n '/^flags/{s/.*: //p;q}' /proc/cpuinfo 2>/dev/null || true) "
  printf 'default\n'
  case "$flags" in *" avx2 "*) printf 'avx2\n' ;; esac
  case "$flags" in *" avx512bw "*) printf 'avx512\n' ;; esac
}

# at_level LEVEL COMMAND…: runs it as on a processor that has no more than this.
at_level() {
  local level="$1"
  shift
  case "$level" in
    default) ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 "$@" ;;
    avx2) ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 "$@" ;;
    avx512) ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE MKL_ENABLE_INSTRUCTIONS=AVX512 "$@" ;;
    *) fail "no level '$level' of instruction sets" ;;
  esac
}
