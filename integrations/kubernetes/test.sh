#!/usr/bin/env bash
# The manifests of `sweep --emit kubernetes-job`: right by the schemas of Kubernetes, by kubectl where there
# is one, and what the pods of the Job would run computes the same bytes as one machine.
#
#   integrations/kubernetes/test.sh path/to/aurelius-sim [path/to/kubernetes-validate]
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/aurelius-sim}")
validate=${2:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
axes=(-P 'HorizontalPodAutoscaler/gateway:spec.maxReplicas=5..8' -L 'model=fluid' --runs 1)
for out in folder s3://bucket/results; do
  job=$folder/job.yaml
  place=()
  [ "$out" = folder ] || place=(--out "$out")
  "$binary" sweep scenarios/k6-smoke.yaml "${axes[@]}" --plan "$folder/job.jsonl" --emit kubernetes-job --image example.com/aurelius-sim:1 --shards 3 ${place[@]+"${place[@]}"} > "$job"
  if [ -n "$validate" ]; then
    "$validate" --strict --kubernetes-version 1.36 "$job"
  fi
  if command -v kubectl >/dev/null; then
    # Without a server kubectl reads the objects and knows their kinds; fields are checked above.
    kubectl annotate --local -f "$job" read=yes -o name
  fi
done

# Each index takes its share of the plan, in any order, one of them twice.
"$binary" sweep scenarios/k6-smoke.yaml "${axes[@]}" --plan "$folder/plan.jsonl"
"$binary" sweep scenarios/k6-smoke.yaml "${axes[@]}" -o "csv=$folder/single.csv" --progress none
for index in 2 0 1 0; do
  "$binary" sweep --plan "$folder/plan.jsonl" --shard "$index/3" --out "$folder/out" --jobs 1 --progress none
done
"$binary" sweep merge "$folder/out" -o "csv=$folder/merged.csv"
cmp "$folder/single.csv" "$folder/merged.csv"
echo "the manifests are right, and three indexes compute what one machine does, byte for byte"
