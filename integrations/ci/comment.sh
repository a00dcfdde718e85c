#!/usr/bin/env bash
# Writes the comment of a comparison under a pull request, or over the one that is there.
#
# Reads SIM_COMMENT (path), SIM_NAME, SIM_PULL_REQUEST and GITHUB_REPOSITORY; talks through `gh`.
set -euo pipefail

[ -f "${SIM_COMMENT:?}" ] || { echo "no comment was made"; exit 0; }
mark="<!-- aurelius-sim:${SIM_NAME:?} -->"
place="repos/${GITHUB_REPOSITORY:?}/issues/${SIM_PULL_REQUEST:?}/comments"
known=$(gh api --paginate "$place" --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)
if [ -n "$known" ]; then
  gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$known" -F "body=@$SIM_COMMENT" >/dev/null
else
  gh api --method POST "$place" -F "body=@$SIM_COMMENT" >/dev/null
fi
