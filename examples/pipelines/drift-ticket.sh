#!/bin/sh
# Runs the command that it is given, `meshrotate drift …`, and keeps one issue open until there is no drift any more:
# /usr/local/libexec/meshrotate-drift-ticket, for meshrotate-drift.service. It needs jq and curl.
#
# ISSUES is the repository in which the issue is, on GitHub, and DOCUMENT is in its title. Make the label "drift" there once. The token is in
# the unit's credential "ticket-token": a fine-grained one that may write issues in that repository, and nothing else.
set -eu
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
code=0
"$@" >"$work/drift.md" 2>"$work/drift.err" || code=$?
cat "$work/drift.md" "$work/drift.err"
if [ $code -ne 0 ] && [ $code -ne 2 ]; then { echo; echo 'What it said:'; echo; tail -n 20 "$work/drift.err" | jq -Rrs '.[-2000:]' | sed 's/^/    /'; } >>"$work/drift.md"; fi

# curl reads the header from its standard input: no token is on a command line.
api() { { printf 'Authorization: Bearer '; cat "$CREDENTIALS_DIRECTORY/ticket-token"; } | curl --fail --silent --show-error -H @- -H 'Accept: application/vnd.github+json' "$@"; }
title="Drift: $DOCUMENT"
api "$ISSUES/issues?state=open&labels=drift&per_page=100" >"$work/issues.json"
# Others with that label, and pull requests, are other people's.
issue=$(jq -r --arg title "$title" 'first(.[] | select(.title == $title and (has("pull_request") | not)) | .number)' "$work/issues.json")
jq -Rs --arg title "$title" '{title: $title, body: ., labels: ["drift"]}' "$work/drift.md" >"$work/body.json"
case "$code,$issue" in
  0,) ;;
  0,*) echo '{"state": "closed"}' >"$work/body.json"; api --request PATCH --data "@$work/body.json" "$ISSUES/issues/$issue" >/dev/null ;;
  *,) api --data "@$work/body.json" "$ISSUES/issues" >/dev/null ;;
  *) api --request PATCH --data "@$work/body.json" "$ISSUES/issues/$issue" >/dev/null ;;
esac
exit $code
