#!/usr/bin/env bash
# A sweep on a real Ray cluster on this machine, one worker killed in the middle: the merged result has to
# have the bytes of a single run, and no cell may have been computed twice.
#
#   integrations/ray/test.sh path/to/aurelius-sim
#
# Ray is installed into a virtual environment that is kept beside the build (RAY_VENV).
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/aurelius-sim}")
venv=${RAY_VENV:-target/ray-venv}
if ! "$venv/bin/python" -c 'import ray' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet ray
fi
folder=$(mktemp -d)
head=
ended() { # only what was started here is ended
  [ -z "$head" ] || { kill "$head" 2>/dev/null; wait "$head" 2>/dev/null; } || true
  rm -rf "$folder"
}
trap ended EXIT
axes=(-P 'HorizontalPodAutoscaler/gateway:spec.maxReplicas=5..12' -L 'load.scenarios.smoke.stages=[{duration: 1m, target: 20}],[{duration: 1m, target: 60}],[{duration: 2m, target: 40}]' -L 'model=fluid,requests' --runs 2)
"$binary" sweep scenarios/k6-smoke.yaml "${axes[@]}" -o "csv=$folder/single.csv" --progress none
"$binary" sweep scenarios/k6-smoke.yaml "${axes[@]}" --plan "$folder/plan.jsonl"

# A cluster of a head that computes nothing and three worker processes of one CPU each.
export RAY_DISABLE_IMPORT_WARNING=1 RAY_USAGE_STATS_ENABLED=0
"$venv/bin/ray" start --head --block --port=6399 --num-cpus=3 --include-dashboard=false --disable-usage-stats \
  --temp-dir="$folder/ray" > "$folder/head" 2>&1 &
head=$!
for _ in $(seq 600); do grep -q 'Ray runtime started' "$folder/head" && break; sleep 0.1; done
grep -q 'Ray runtime started' "$folder/head" || { cat "$folder/head"; exit 1; }
"$venv/bin/python" integrations/ray/sweep.py --address=127.0.0.1:6399 --binary "$binary" \
  --plan "$folder/plan.jsonl" --out "$folder/out" --shards 12 2> "$folder/progress" &
driver=$!

# As soon as some cells are there, one of the workers is killed with what it runs.
cells() { find "$folder/out/cells" -name '*.json' 2>/dev/null | wc -l; }
for _ in $(seq 600); do [ "$(cells)" -ge 4 ] && break; sleep 0.1; done
# Between two shares a worker has no child; so it is looked for until there is one.
victim=
for _ in $(seq 200); do
  child=$(pgrep -f -- "--out=$folder/out --jobs=1" | tail -n 1 || true)
  victim=$([ -z "$child" ] || ps -o ppid= -p "$child" | tr -d ' ' || true)
  [ -z "$victim" ] || break
  sleep 0.05
done
[ -n "$victim" ] || { echo "no worker was found to kill"; exit 1; }
kill -9 "$victim" "$child" 2>/dev/null || true
before=$(cells)
echo "killed worker $victim when $before cells were done"
wait "$driver"

"$binary" sweep merge "$folder/out" -o "csv=$folder/merged.csv"
cmp "$folder/single.csv" "$folder/merged.csv"
[ "$(cells)" = 48 ] || { echo "$(cells) cells instead of 48"; exit 1; }
echo "48 cells on Ray, a worker killed after $before of them: merged result equal, byte for byte"
