#!/usr/bin/env bash
# Renders the chart with both sets of values into rendered/default.yaml and rendered/prod.yaml, after `helm lint`.
#
#   render.sh            lint, render, write the files
#   render.sh --check    lint, render, fail when the files in the tree are out of date
#
# Needs Helm 4, which `.ci/helm` finds or installs.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
die() { echo "render.sh: $*" >&2; exit 1; }

check=false
case "${1:-}" in
    '') ;;
    --check) check=true ;;
    *) die "unknown argument $1 (only --check)" ;;
esac

helm="$("$here/../../.ci/helm")"
cd "$here"
"$helm" version --short >&2

"$helm" lint --strict chart >&2
"$helm" lint --strict chart -f chart/values-prod.yaml >&2

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
# The Kubernetes version is fixed so that the result does not depend on the version this Helm was built against.
"$helm" template aurelius chart --kube-version 1.36.0 -n aurelius >"$out/default.yaml"
"$helm" template aurelius chart --kube-version 1.36.0 -n production -f chart/values-prod.yaml >"$out/prod.yaml"

if $check; then
    stale=0
    for name in default prod; do
        if ! diff -u "rendered/$name.yaml" "$out/$name.yaml" >&2; then stale=1; fi
    done
    [[ $stale == 0 ]] || die 'rendered/ is out of date: run profiles/aurelius/render.sh and commit the result'
    echo 'rendered/ is up to date' >&2
else
    mkdir -p rendered
    cp "$out/default.yaml" "$out/prod.yaml" rendered/
    wc -l rendered/*.yaml >&2
fi
