#!/usr/bin/env bash
# Compares the work tree with a commit; used by action.yml and gitlab.yml, and by hand.
#
# Reads SIM_BINARY, SIM_SCENARIOS, SIM_BASE_REF or SIM_TARGET, SIM_RUNS, SIM_LIMITS (one a line),
# SIM_NAME, SIM_ARGUMENTS. Writes capacity/comment.md, capacity/junit.xml and capacity/result.json, and
# annotations where GitHub reads them. Ends as `aurelius-sim compare` does.
set -euo pipefail

binary=${SIM_BINARY:-aurelius-sim}
reference=${SIM_BASE_REF:-}
if [ -z "$reference" ] && [ -n "${SIM_TARGET:-}" ]; then
  reference=origin/$SIM_TARGET
fi
if [ -z "$reference" ]; then
  echo "error: neither a base nor a target branch is known; set base-ref" >&2
  exit 2
fi
# A shallow clone lacks the base.
if ! git rev-parse --verify --quiet "$reference^{commit}" >/dev/null; then
  git fetch --quiet --depth=1 origin "${reference#origin/}" || true
  git rev-parse --verify --quiet "$reference^{commit}" >/dev/null || reference=FETCH_HEAD
fi

folder=capacity
mkdir -p "$folder"
words=()
while IFS= read -r limit; do
  limit=$(printf '%s' "$limit" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
  [ -z "$limit" ] || words+=("--fail-on-regression=$limit")
done <<< "${SIM_LIMITS:-}"
read -r -a scenarios <<< "${SIM_SCENARIOS:-scenarios/}"
read -r -a more <<< "${SIM_ARGUMENTS:-}"

if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'comment=%s\njunit=%s\n' "$folder/comment.md" "$folder/junit.xml" >> "$GITHUB_OUTPUT"
fi
code=0
"$binary" compare "${scenarios[@]}" --base-ref "$reference" --runs "${SIM_RUNS:-5}" \
  --name "${SIM_NAME:-capacity}" ${words[@]+"${words[@]}"} ${more[@]+"${more[@]}"} --progress plain \
  -o text -o "markdown=$folder/comment.md" -o "junit=$folder/junit.xml" -o "json=$folder/result.json" \
  -o "github=$folder/annotations.txt" || code=$?
if [ "${GITHUB_ACTIONS:-}" = true ] && [ -f "$folder/annotations.txt" ]; then
  cat "$folder/annotations.txt"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$folder/comment.md" ]; then
  cat "$folder/comment.md" >> "$GITHUB_STEP_SUMMARY"
fi
exit "$code"
