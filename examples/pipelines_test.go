package examples_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// tool finds a program, or skips; where CI promises the program, it fails.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not here, and CI must have it", name)
		}
		t.Skipf("%s is not here", name)
	}
	return path
}

// shellParts are the scripts of a pipeline, in their order, each as its system runs it: GitLab's lines of a job as one.
func shellParts(t *testing.T, file string) (parts []string) {
	t.Helper()
	text := read(t, file)
	if strings.HasSuffix(file, "Jenkinsfile") {
		for _, m := range regexp.MustCompile(`(?s)sh '''\n(.*?)'''`).FindAllStringSubmatch(text, -1) {
			parts = append(parts, "set -e\n"+m[1])
		}
		return parts
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	var before []string
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			var lines []string
			_ = value.Decode(&lines)
			switch {
			case key == "before_script":
				before = lines
			case key == "script":
				parts = append(parts, "set -eo pipefail\n"+strings.Join(slices.Concat(before, lines), "\n"))
			case key == "run":
				parts = append(parts, "set -e\n"+value.Value)
			case key == "bash":
				parts = append(parts, value.Value)
			}
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(&root)
	return parts
}

// fakes stand in for the programs that a step runs. Each notes how it was called, and what it was given on files and standard input.
var fakes = map[string]string{
	"meshrotate": `echo "meshrotate $*" >>"$CALLS"; while [ $# -gt 1 ]; do if [ "$1" = --out ] && [ "$CODE" != 1 ]; then echo {} >"$2"; fi; shift; done; echo "the report"; printf 'the progress\n  \140\140\140\n# free\n' >&2; printf '%s\n' "$HOSTILE"; exit "$CODE"`,
	"gh": `echo "gh $*" >>"$CALLS"
for a in "$@"; do case "$a" in body=@*) cat "${a#body=@}" >>"$BODIES";; *.md) cat "$a" >>"$BODIES";; esac; done
case "$*" in *comment.md*) if [ -n "$LONG" ] && grep -rqs --include=comment.md "the report" "$TMPDIR"; then echo "Body is too long" >&2; exit 1; fi;; esac
case "$*" in *issues/*/comments*--jq*) [ -z "$FOUND" ] || echo "$FOUND";;
"issue list"*) while [ "$1" != --jq ]; do shift; done; printf '%s' "${OPEN:-[]}" | jq -r "$2";; esac`,
	"git": `echo "$SUBJECT"`,
	"curl": `echo "curl $*" >>"$CALLS"; cat >>"$HEADERS"
for a in "$@"; do case "$a" in @-) ;; @*) cat "${a#@}" >>"$BODIES";; *@*.md) cat "${a#*@}" >>"$BODIES";; esac; done
case "$*" in *--data*) if [ -n "$LONG" ] && grep -rqs --include=comment.md "the report" "$TMPDIR"; then exit 22; fi;; esac
case "$*" in *connectionData*) printf '{"authenticatedUser": {"id": "me"}}'; exit;; *api/v4/user*|*github.com/user) printf '{"id": 9}'; exit;; esac
echo "$*" | sed 's/--data [^ ]*query.json//' | grep -Eq -- '--data|--request' || case "$*" in *page=2*) printf '%s' "$MORE";; *) printf '%s' "$ANSWER";; esac`,
}

// step is one run of a shell part.
type step struct {
	env      []string
	code     int
	answer   string
	calls    []string // parts of calls that must be made, in this order
	never    []string
	plans    []string // in the folder of plans at first
	left     []string // there at the end
	body     []string
	exitCode int
}

const hidden = "hunter2-token"

// written are the names of the files that a script writes.
func written(script string) (names []string) {
	for _, m := range regexp.MustCompile(`(?:>+|--out|--output) *"?(?:\$\w+/|\$\([\w.]+\)/)?(\w+(?:\.\w+)?)"?`).FindAllStringSubmatch(script, -1) {
		if name := m[1]; !slices.Contains(names, name) && name != "null" {
			names = append(names, name)
		}
	}
	return names
}

// hostile are commands to the log of each system, as a request may have them in a text of its own: what begins them, and what holds that in
// it once one is taken out. Azure looks for them anywhere in a line. Jenkins has none.
var hostile = map[string][2]string{"github-actions.yml": {"::", "::add-mask::a\n:::add-mask::a\n::::a"}, "azure-pipelines.yml": {"##", "##vso[task.setvariable variable=a]b\na ###vso[a]b\n####[error]"},
	"gitlab-ci.yml": {"section_start:", "section_start:1:a\nsection_section_start:start:1:a"}}

func (s step) run(t *testing.T, file, script string) {
	t.Helper()
	bash := tool(t, "bash")
	tool(t, "jq")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range fakes {
		write(t, filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"))
		if err := os.Chmod(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(bash, "-c", script)
	c.Dir = t.TempDir()
	scratch, kept := t.TempDir(), at("kept")
	write(t, kept, []byte("what the request has nothing to do with"))
	for _, name := range written(script) { // a request may have a link wherever a file may be written
		if err := os.Symlink(kept, filepath.Join(c.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	plans := filepath.Join(c.Dir, "plans")
	if err := os.Mkdir(plans, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range s.plans {
		write(t, filepath.Join(plans, name), nil)
	}
	c.Env = slices.Concat(os.Environ(), []string{"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "CALLS=" + at("calls"), "BODIES=" + at("bodies"), "HEADERS=" + at("headers"),
		"GITHUB_STEP_SUMMARY=" + at("summary"), "ANSWER=" + s.answer, "HOSTILE=" + hostile[file][1], "CODE=" + string(rune('0'+s.code)), "MARK=<!-- meshrotate plan -->", "DOCUMENT=contoso.yaml", "BASE=refs/remotes/origin/main",
		"PLANS=plans", "TMPDIR=" + scratch, "RUNNER_TEMP=" + scratch, "PR=7", "HEAD_SHA=4f2a91c", "GITHUB_REPOSITORY=im/rotation", "TOKEN=" + hidden, "BOT_TOKEN=" + hidden, "CI_API_V4_URL=https://git/api/v4", "CI_PROJECT_ID=3",
		"ISSUES=https://git/api", "ITEM=Issue", "CLOSED=Done", "CI_MERGE_REQUEST_IID=7", "CI_COMMIT_SHA=4f2a91c"}, s.env)
	out, err := c.CombinedOutput()
	left, _ := filepath.Glob(filepath.Join(plans, "*"))
	for i, name := range left {
		left[i] = filepath.Base(name)
	}
	if !slices.Equal(left, s.left) {
		t.Errorf("of the plans it leaves %q, want %q", left, s.left)
	}
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	text := func(name string) string { b, _ := os.ReadFile(at(name)); return string(b) }
	calls, body := text("calls"), text("bodies")
	calls = regexp.MustCompile(regexp.QuoteMeta(scratch)+`(/tmp\.\w+)?/`).ReplaceAllString(calls, "")
	if text("kept") != "what the request has nothing to do with" {
		t.Errorf("it was written through a link of the request: %q", text("kept"))
	}
	if left, _ := filepath.Glob(filepath.Join(scratch, "tmp.*")); len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
	if code != s.exitCode {
		t.Errorf("exit code %d, want %d\n%s", code, s.exitCode, out)
	}
	rest := calls
	for _, call := range s.calls {
		_, after, ok := strings.Cut(rest, call)
		if !ok {
			t.Errorf("no call of %q, in its place, in\n%s\n%s", call, calls, out)
		}
		rest = after
	}
	for _, call := range s.never {
		if strings.Contains(calls, call) {
			t.Errorf("%q was called:\n%s", call, calls)
		}
	}
	for _, b := range s.body {
		if !strings.Contains(body, b) {
			t.Errorf("it does not say %q:\n%s", b, body)
		}
	}
	if acts := regexp.MustCompile("(?:^|\n|\\\\n) {0,3}(```|# free)").FindString(body); acts != "" && !strings.Contains(body, "<pre>") { // that is escaped as HTML
		t.Errorf("what a request may have put into an error acts in the comment, as %q:\n%s", acts, body)
	}
	if command := hostile[file][0]; command != "" && strings.Contains(string(out), command) {
		t.Errorf("the log has a command: %s\n%s", command, out)
	}
	if strings.Contains(calls, hidden) || strings.Contains(string(out), hidden) {
		t.Errorf("the token is on a command line, or in the log:\n%s\n%s", calls, out)
	}
	if strings.Contains(calls, "curl ") && !strings.Contains(text("headers"), hidden) {
		t.Error("curl was not given the token")
	}
}

// The shell parts of the pipelines do what their comments say: one comment that is updated, the plan that was reviewed, one issue.
func TestPipelineSteps(t *testing.T) {
	const plan, drift = "meshrotate plan -f contoso.yaml --base refs/remotes/origin/main", "meshrotate drift -f contoso.yaml --base refs/remotes/origin/main"
	for _, c := range []struct {
		file  string
		part  int
		of    int
		words map[string]string // what the system itself puts into a script
		steps map[string]step
	}{
		{file: "github-actions.yml", part: 0, of: 3, steps: map[string]step{
			"the first plan":     {code: 2, calls: []string{plan, "gh api --paginate repos/im/rotation/issues/7/comments", "gh pr comment 7"}, never: []string{"PATCH"}, body: []string{"<!-- meshrotate plan -->\nthe report"}},
			"the next one":       {code: 2, env: []string{"FOUND=41\n42"}, calls: []string{plan, "gh api --method PATCH repos/im/rotation/issues/comments/41 "}, never: []string{"pr comment"}, body: []string{"the report"}},
			"too long":           {code: 2, env: []string{"FOUND=41", "LONG=1"}, calls: []string{"comments/41 ", "comments/41 "}, body: []string{"<!-- meshrotate plan -->\nThe plan of 4f2a91c could not be posted"}, exitCode: 1},
			"nothing to do":      {code: 0, calls: []string{"gh pr comment 7"}},
			"something is down":  {code: 3, calls: []string{"gh pr comment 7"}, body: []string{"the report", "the progress"}},
			"a plan that failed": {code: 1, calls: []string{"gh pr comment 7"}, body: []string{"\n\nWhat it said:\n\n    the progress\n"}, exitCode: 1},
		}},
		{file: "github-actions.yml", part: 1, of: 3, steps: map[string]step{
			"applied": {code: 0, calls: []string{"gh run download --name plan-4f2a91c --dir reviewed", "meshrotate apply reviewed/plan.json -f contoso.yaml --base refs/remotes/origin/main", "gh pr comment 7"}, body: []string{"the report"}},
			"in part": {code: 3, calls: []string{"gh pr comment 7"}, body: []string{"the progress"}, exitCode: 3},
		}},
		{file: "github-actions.yml", part: 2, of: 3, steps: map[string]step{
			"no drift":        {code: 0, calls: []string{drift, "gh issue list"}, never: []string{"issue create", "issue edit", "issue close"}},
			"drift":           {code: 2, calls: []string{drift, "gh label create drift", "gh issue create --title Drift: contoso.yaml"}, body: []string{"the report"}, exitCode: 2},
			"drift still":     {code: 2, env: []string{`OPEN=[{"number": 11, "title": "Drift in my boat"}, {"number": 12, "title": "Drift: contoso.yaml"}]`}, calls: []string{"gh issue edit 12 "}, never: []string{"issue create"}, body: []string{"the report"}, exitCode: 2},
			"drift that ends": {code: 0, env: []string{`OPEN=[{"number": 12, "title": "Drift: contoso.yaml"}]`}, calls: []string{"gh issue close 12 "}},
			"somebody's own":  {code: 0, env: []string{`OPEN=[{"number": 11, "title": "Drift in my boat"}]`}, calls: []string{"gh issue list"}, never: []string{"issue edit", "issue close"}},
			"nobody knows":    {code: 1, calls: []string{"gh issue create"}, body: []string{"the progress"}, exitCode: 1},
		}},
		{file: "azure-pipelines.yml", part: 0, of: 4, words: azureWords, steps: map[string]step{
			"the first plan": {code: 2, answer: `{"value": [{"id": 1, "comments": []}, {"id": 2, "comments": [{"id": 1, "content": "ok"}]}]}`,
				calls: []string{plan, "curl", "threads?api-version=7.1", "--data @body.json azure/p/_apis/git/repositories/r/pullRequests/7/threads?"}, never: []string{"PATCH"}, body: []string{"the report"}},
			"somebody else's mark": {code: 2, answer: `{"value": [{"id": 4, "comments": [{"id": 1, "author": {"id": "other"}, "content": "<!-- meshrotate plan -->\nold"}]}]}`,
				calls: []string{"--data @body.json"}, never: []string{"PATCH"}},
			"the next one": {code: 2, answer: `{"value": [{"id": 4, "comments": [{"id": 1, "author": {"id": "other"}, "content": "<!-- meshrotate plan -->\nold"}]}, {"id": 5, "comments": [{"id": 1, "author": {"id": "me"}, "content": "<!-- meshrotate plan -->\nold"}]}]}`,
				calls: []string{plan, "--request PATCH --data @body.json azure/p/_apis/git/repositories/r/pullRequests/7/threads/5/comments/1?"}, body: []string{"the report"}},
			"too long": {code: 2, env: []string{"LONG=1", "BUILD_SOURCEVERSION=4f2a91c"}, answer: `{"value": [{"id": 5, "comments": [{"id": 1, "author": {"id": "me"}, "content": "<!-- meshrotate plan -->\nold"}]}]}`,
				calls: []string{"threads/5/comments/1?", "threads/5/comments/1?"}, body: []string{"The plan of 4f2a91c could not be posted"}, exitCode: 1},
			"a plan that failed": {code: 1, answer: `{"value": []}`, calls: []string{"--data"}, body: []string{"the progress"}, exitCode: 1},
		}},
		{file: "azure-pipelines.yml", part: 1, of: 4, words: azureRequest, steps: map[string]step{
			"merged":  {env: []string{"SUBJECT=Merged PR 7: x"}, calls: []string{"request is 7"}},
			"hostile": {env: []string{"SUBJECT=Merged PR 7: ##vso[task.setvariable variable=request]8"}, calls: []string{"request is 7\n"}},
			"pushed":  {env: []string{"SUBJECT=x"}, never: []string{"request"}, exitCode: 1},
		}},
		{file: "azure-pipelines.yml", part: 2, of: 4, words: azureWords, steps: map[string]step{
			"applied": {code: 0, calls: []string{"meshrotate apply reviewed/plan.json -f contoso.yaml"}},
			"in part": {code: 3, calls: []string{"meshrotate apply reviewed/plan.json"}, exitCode: 3},
		}},
		{file: "azure-pipelines.yml", part: 3, of: 4, words: azureWords, steps: map[string]step{
			"no drift": {code: 0, answer: `{"workItems": []}`, calls: []string{drift, "--data @query.json azure/p/_apis/wit/wiql?api-version=7.1&$top=1"}, never: []string{"PATCH", "POST"},
				body: []string{`CONTAINS 'meshrotate-drift' AND [System.Title] = 'Drift: contoso.yaml' AND [System.State] <> 'Done'`}},
			"drift": {code: 2, answer: `{"workItems": []}`, calls: []string{"--data @body.json --request POST azure/p/_apis/wit/workitems/$Issue?api-version=7.1"},
				body: []string{`"value": "<pre>the report\n`, `"value": "Drift: contoso.yaml"`, `"value": "meshrotate-drift"`}, exitCode: 2},
			"drift still":     {code: 2, answer: `{"workItems": [{"id": 12}]}`, calls: []string{"--request PATCH azure/p/_apis/wit/workitems/12?api-version=7.1"}, never: []string{"POST"}, body: []string{"the report"}, exitCode: 2},
			"drift that ends": {code: 0, answer: `{"workItems": [{"id": 12}]}`, calls: []string{"--request PATCH azure/p/_apis/wit/workitems/12?api-version=7.1"}, body: []string{`"/fields/System.State"`, `"value": "Done"`}},
			"nobody knows":    {code: 1, answer: `{"workItems": []}`, calls: []string{"--request POST"}, body: []string{"the progress"}, exitCode: 1},
		}},
		{file: "gitlab-ci.yml", part: 0, of: 3, steps: map[string]step{
			"the first plan": {code: 2, answer: `[{"id": 3, "body": "ok"}]`, calls: []string{plan, "merge_requests/7/notes?", "--data-urlencode body@comment.md https://git/api/v4/projects/3/merge_requests/7/notes\n"},
				never: []string{"PUT"}, body: []string{"<!-- meshrotate plan -->\nthe report"}},
			"somebody else's mark": {code: 2, answer: `[{"id": 3, "author": {"id": 8}, "body": "<!-- meshrotate plan -->\nold"}]`, calls: []string{"--data-urlencode body@comment.md"}, never: []string{"PUT"}},
			"behind many others": {code: 2, answer: "[" + strings.Repeat(`{"id": 3, "author": {"id": 8}, "body": "ok"},`, 99) + `{"id": 3, "author": {"id": 8}, "body": "ok"}]`,
				env: []string{`MORE=[{"id": 104, "author": {"id": 9}, "body": "<!-- meshrotate plan -->\nold"}]`}, calls: []string{"merge_requests/7/notes/104"}},
			"the next one": {code: 2, answer: `[{"id": 3, "author": {"id": 8}, "body": "<!-- meshrotate plan -->\nold"}, {"id": 4, "author": {"id": 9}, "body": "<!-- meshrotate plan -->\nold"}]`, calls: []string{"--request PUT --data-urlencode body@comment.md https://git/api/v4/projects/3/merge_requests/7/notes/4"},
				body: []string{"the report"}},
			"too long": {code: 2, env: []string{"LONG=1"}, answer: `[{"id": 4, "author": {"id": 9}, "body": "<!-- meshrotate plan -->\nold"}]`, calls: []string{"notes/4", "notes/4"},
				body: []string{"The plan of 4f2a91c could not be posted"}, exitCode: 1},
			"a plan that failed": {code: 1, answer: `[]`, calls: []string{"--data-urlencode"}, body: []string{"the progress"}, exitCode: 1},
		}},
		{file: "gitlab-ci.yml", part: 1, of: 3, steps: map[string]step{
			"merged":        {answer: `[{"iid": 6, "state": "closed", "target_branch": "main"}, {"iid": 7, "state": "merged", "target_branch": "main"}]`, calls: []string{"commits/4f2a91c/merge_requests", "curl --fail --silent --show-error -H @- --location --output plan.json https://git/api/v4/projects/3/jobs/artifacts/refs%2Fmerge-requests%2F7%2Fhead/raw/plan.json?job=plan", "meshrotate apply plan.json -f contoso.yaml --base refs/remotes/origin/main"}},
			"pushed":        {answer: `[]`, never: []string{"meshrotate"}, exitCode: 1},
			"not all of it": {code: 3, answer: `[{"iid": 7, "state": "merged", "target_branch": "main"}]`, exitCode: 3},
		}},
		{file: "gitlab-ci.yml", part: 2, of: 3, steps: map[string]step{
			"no drift":        {code: 0, answer: `[]`, calls: []string{drift, "issues?state=opened"}, never: []string{"--data", "PUT"}},
			"drift":           {code: 2, answer: `[]`, calls: []string{"title=Drift: contoso.yaml"}, body: []string{"the report"}, exitCode: 2},
			"drift still":     {code: 2, answer: `[{"iid": 11, "title": "Drift in my boat"}, {"iid": 12, "title": "Drift: contoso.yaml"}]`, calls: []string{"--request PUT --data-urlencode description@drift.md https://git/api/v4/projects/3/issues/12"}, body: []string{"the report"}, exitCode: 2},
			"drift that ends": {code: 0, answer: `[{"iid": 11, "title": "Drift in my boat"}, {"iid": 12, "title": "Drift: contoso.yaml"}]`, calls: []string{"--request PUT --data state_event=close https://git/api/v4/projects/3/issues/12"}},
		}},
		{file: "Jenkinsfile", part: 0, of: 4, steps: map[string]step{
			"the first plan": {code: 2, left: []string{"7.json"}, env: []string{"CHANGE_ID=7"}, answer: `[{"id": 3, "user": {"id": 8}, "body": "<!-- meshrotate plan -->\nold"}]`,
				calls: []string{plan + " -o markdown --out plans/7.json", "issues/7/comments?per_page=100&page=1", "--data @body.json https://git/api/issues/7/comments"}, never: []string{"PATCH"}, body: []string{`"body": "<!-- meshrotate plan -->\nthe report`}},
			"the next one": {code: 2, left: []string{"7.json"}, env: []string{"CHANGE_ID=7"}, answer: `[{"id": 4, "user": {"id": 9}, "body": "<!-- meshrotate plan -->\nold"}]`,
				calls: []string{"--request PATCH --data @body.json https://git/api/issues/comments/4"}, body: []string{"the report"}},
			"behind many others": {code: 2, left: []string{"7.json"}, answer: "[" + strings.Repeat(`{"id": 3, "user": {"id": 8}, "body": "ok"},`, 99) + `{"id": 3, "user": {"id": 8}, "body": "ok"}]`,
				env: []string{"CHANGE_ID=7", `MORE=[{"id": 104, "user": {"id": 9}, "body": "<!-- meshrotate plan -->\nold"}]`}, calls: []string{"issues/comments/104"}},
			"too long": {code: 2, left: []string{"7.json"}, env: []string{"CHANGE_ID=7", "LONG=1", "GIT_COMMIT=4f2a91c"}, answer: `[{"id": 4, "user": {"id": 9}, "body": "<!-- meshrotate plan -->\nold"}]`,
				calls: []string{"issues/comments/4", "issues/comments/4"}, body: []string{"The plan of 4f2a91c could not be posted"}, exitCode: 1},
			"a plan that failed": {code: 1, env: []string{"CHANGE_ID=7"}, answer: `[]`, calls: []string{plan, "--data @body.json"}, body: []string{"the progress"}, exitCode: 1},
		}},
		{file: "Jenkinsfile", part: 1, of: 4, steps: map[string]step{
			"merged": {env: []string{"SUBJECT=4f2a91c"}, plans: []string{"7.json"}, answer: `[{"number": 6, "merged_at": null, "base": {"ref": "main"}}, {"number": 5, "merged_at": "2026-01-01T00:00:00Z", "base": {"ref": "test"}}, {"number": 7, "merged_at": "2026-01-01T00:00:00Z", "base": {"ref": "main"}}]`,
				calls: []string{"https://git/api/commits/4f2a91c/pulls", "meshrotate show plans/merged-4f2a91c.json"}, left: []string{"merged-4f2a91c.json"}},
			"once more":         {env: []string{"SUBJECT=4f2a91c"}, plans: []string{"merged-4f2a91c.json"}, calls: []string{"meshrotate show plans/merged-4f2a91c.json"}, never: []string{"curl"}, left: []string{"merged-4f2a91c.json"}},
			"pushed":            {env: []string{"SUBJECT=4f2a91c"}, plans: []string{"7.json"}, answer: `[]`, never: []string{"meshrotate"}, left: []string{"7.json"}},
			"applied before":    {env: []string{"SUBJECT=4f2a91c"}, answer: `[{"number": 7, "merged_at": "2026-01-01T00:00:00Z", "base": {"ref": "main"}}]`, never: []string{"meshrotate"}},
			"a plan of another": {code: 1, env: []string{"SUBJECT=4f2a91c"}, plans: []string{"merged-4f2a91c.json"}, calls: []string{"meshrotate show"}, left: []string{"merged-4f2a91c.json"}, exitCode: 1},
		}},
		{file: "Jenkinsfile", part: 2, of: 4, steps: map[string]step{
			"applied": {code: 0, env: []string{"SUBJECT=4f2a91c"}, plans: []string{"merged-4f2a91c.json"}, calls: []string{"meshrotate apply plans/merged-4f2a91c.json -f contoso.yaml --base refs/remotes/origin/main"}},
			"in part": {code: 3, env: []string{"SUBJECT=4f2a91c"}, plans: []string{"merged-4f2a91c.json"}, calls: []string{"meshrotate apply"}, left: []string{"merged-4f2a91c.json"}, exitCode: 3},
		}},
		{file: "Jenkinsfile", part: 3, of: 4, steps: map[string]step{
			"no drift":        {code: 0, answer: `[]`, calls: []string{drift, "https://git/api/issues?state=open&labels=drift"}, never: []string{"--data"}},
			"drift":           {code: 2, answer: `[]`, calls: []string{"--data @body.json https://git/api/issues"}, never: []string{"PATCH"}, body: []string{`"title": "Drift: contoso.yaml"`, "the report", `"drift"`}, exitCode: 2},
			"drift still":     {code: 2, answer: `[{"number": 11, "title": "Drift: contoso.yaml", "pull_request": {}}, {"number": 12, "title": "Drift: contoso.yaml"}]`, calls: []string{"--request PATCH --data @body.json https://git/api/issues/12"}, body: []string{"the report"}, exitCode: 2},
			"drift that ends": {code: 0, answer: `[{"number": 11, "title": "Drift: contoso.yaml", "pull_request": {}}, {"number": 12, "title": "Drift: contoso.yaml"}]`, calls: []string{"--request PATCH --data @body.json https://git/api/issues/12"}, body: []string{`"state": "closed"`}},
			"nobody knows":    {code: 1, answer: `[]`, calls: []string{"--data @body.json"}, body: []string{"the progress"}, exitCode: 1},
		}},
	} {
		parts := shellParts(t, "pipelines/"+c.file)
		if len(parts) != c.of {
			t.Fatalf("%s has %d shell parts, and %d are known here", c.file, len(parts), c.of)
		}
		script := parts[c.part]
		for word, value := range c.words {
			script = strings.ReplaceAll(script, word, value)
		}
		for name, s := range c.steps {
			t.Run(c.file+"/"+name, func(t *testing.T) { s.run(t, c.file, script) })
		}
	}
}

var azureWords = map[string]string{"$(Agent.TempDirectory)": "$RUNNER_TEMP", "$(document)": "contoso.yaml", "$(base)": "refs/remotes/origin/main", "$(System.CollectionUri)": "azure/", "$(System.TeamProjectId)": "p", "$(Build.Repository.ID)": "r"}

// The command to the log by which a step gives the next one the request is noted, as it is one that is meant.
var azureRequest = map[string]string{`echo "##vso[task.setvariable variable=request]$pr"`: `echo "request is $pr" >>"$CALLS"`}

// A fork's request plans nothing, and each job has the rights that it needs and no more.
func TestPipelinesAndForks(t *testing.T) {
	for file, must := range map[string][]string{
		"github-actions.yml":  {"github.event.pull_request.head.repo.full_name == github.repository", "\npermissions: {contents: read}\n", "permissions: {contents: read, issues: write}"},
		"azure-pipelines.yml": {"and(eq(variables['Build.Reason'], 'PullRequest'), ne(variables['System.PullRequest.IsFork'], 'True'))"},
		"gitlab-ci.yml":       {"$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID", "resource_group"},
		"Jenkinsfile":         {"expression { !env.CHANGE_FORK }", "no pull requests of forks", "disableConcurrentBuilds()", "submitter:"},
	} {
		for _, text := range must {
			if !strings.Contains(read(t, "pipelines/"+file), text) {
				t.Errorf("%s does not have %q", file, text)
			}
		}
	}
	if strings.Contains(read(t, "pipelines/github-actions.yml"), "pull_request_target") {
		t.Error("a fork's request would run with the secrets")
	}
}

// GitLab's schema, of which .ci/run fetches a copy, has no complaint. It would have one about a key that GitLab does not know.
func TestGitLabSchema(t *testing.T) {
	path := os.Getenv("GITLAB_SCHEMA")
	switch {
	case path == "" && os.Getenv("CI") == "true":
		t.Fatal("GITLAB_SCHEMA names no file, and CI must have it")
	case path == "" || path == "none": // .ci/run says that it could not be had
		t.Skip("GITLAB_SCHEMA names no file")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gitlab.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gitlab.json")
	if err != nil {
		t.Fatal(err)
	}
	complains := func(text string) error {
		var pipeline any
		if err := yaml.Unmarshal([]byte(text), &pipeline); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(pipeline)
	}
	text := read(t, "pipelines/gitlab-ci.yml")
	if err := complains(text); err != nil {
		t.Error(err)
	}
	if complains(strings.Replace(text, "  resource_group:", "  resource_groups:", 1)) == nil {
		t.Error("it takes a key that GitLab does not know")
	}
}

// The units are such as systemd takes, but for the program, which is not installed here.
func TestUnits(t *testing.T) {
	out, _ := exec.Command(tool(t, "systemd-analyze"), "verify", "pipelines/meshrotate-drift.service", "pipelines/meshrotate-drift.timer").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "meshrotate-drift") && !strings.Contains(line, "/usr/local/libexec/meshrotate-drift-ticket is not executable") {
			t.Error(line)
		}
	}
}

// The task is XML, with its parts in the order of Microsoft's schema.
func TestTask(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(read(t, "pipelines/meshrotate-drift.xml")))
	var parts []string
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				parts = append(parts, e.Name.Local)
			}
		case xml.EndElement:
			depth--
		}
	}
	if want := []string{"RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"}; !slices.Equal(parts, want) {
		t.Errorf("%q, want %q", parts, want)
	}
}
