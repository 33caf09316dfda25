package render

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"meshrotate/reconciler"
	"meshrotate/state"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden compares reports with what somebody has read and found good.
func TestGolden(t *testing.T) {
	ext := map[Format]string{Text: "txt", Markdown: "md", JSON: "json", HTML: "html"}
	for name, r := range reports() {
		for _, f := range Formats() {
			if f == JSON && (name == "fleet" || name == "dark") || f == HTML && name != "plan" && name != "hostile" && name != "ahead" {
				continue // long, and the same as another
			}
			t.Run(name+"/"+string(f), func(t *testing.T) {
				compare(t, name+"."+ext[f], written(t, r, Style{Format: f}))
			})
		}
	}
}

func written(t *testing.T, r Report, s Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update writes it anew):\n%s", path, diff)
	}
}

// TestHarmless looks for what could act on a terminal, in every report and every format.
func TestHarmless(t *testing.T) {
	for name, r := range reports() {
		for _, f := range Formats() {
			out := written(t, r, Style{Format: f})
			if !utf8.ValidString(out) {
				t.Errorf("%s as %s is not UTF-8", name, f)
			}
			for _, c := range out {
				if c != '\n' && acts(c) {
					t.Errorf("%s as %s has the character %U", name, f, c)
					break
				}
			}
		}
	}
}

// TestHostileMarkup looks for foreign markup outside of code.
func TestHostileMarkup(t *testing.T) {
	out := written(t, Plan{Plan: hostile()}, Style{Format: Markdown})
	outside := ""
	for i, part := range strings.Split(out, "````") { // the fences: nasty has a run of three
		if i%2 == 0 {
			outside += part
		}
	}
	for _, bad := range []string{"<script", "<h1", "@everyone", "#1", "GH-2", "](", "https://", "www.evil"} {
		for line := range strings.Lines(outside) {
			if strings.Contains(strings.ReplaceAll(stripCode(line), `\]`, ""), bad) {
				t.Errorf("%q is markup in %q", bad, line)
			}
		}
	}
	page := written(t, Plan{Plan: hostile()}, Style{Format: HTML})
	for _, bad := range []string{"<script", "<h1>\n", "</details>"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the HTML", bad)
		}
	}
}

// stripCode removes code spans whose fence is four backticks or one.
func stripCode(line string) string {
	var b strings.Builder
	for i, part := range strings.Split(line, "````") {
		if i%2 == 0 {
			b.WriteString(part)
		}
	}
	return b.String()
}

// TestMarkdownFits demands that a forge takes the comment, whatever the fleet.
func TestMarkdownFits(t *testing.T) {
	many := relays(2000)
	for i := range 300 {
		c := many.Changes[0]
		c.Title = fmt.Sprintf("connector %d %s", i, strings.Repeat("long ", 40))
		for j := range 30 {
			c.Findings = append(c.Findings, reconciler.Finding{Severity: reconciler.Error, Code: "x", Text: strings.Repeat(fmt.Sprint(j), 2000)})
		}
		many.Changes = append(many.Changes, c)
	}
	out := written(t, Plan{Plan: many, Next: "meshrotate apply"}, Style{Format: Markdown})
	if n := utf8.RuneCountInString(out); n > maxMarkdown {
		t.Errorf("%d characters", n)
	}
	if !strings.Contains(out, "no room here for") || !strings.HasPrefix(out, "**contoso-prod**: ") {
		t.Errorf("it does not say what is left out, or does not begin with its summary: %.200s", out)
	}
}

// TestWidth demands 80 columns, but for words that cannot be broken.
func TestWidth(t *testing.T) {
	for _, name := range []string{"plan", "several", "fleet", "refused", "status", "drift", "history", "proven", "partly", "dark", "back", "halted", "refusal"} {
		for line := range strings.Lines(written(t, reports()[name], Style{})) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

// TestLeftBehind shows a host that the last rotation left behind for as long as nobody can say that it caught up.
func TestLeftBehind(t *testing.T) {
	key := relayKey(3)
	key.Status, key.Rounds = reconciler.AsDeclared, nil
	p := planOf(3, key)
	last := p.Seen[2].Target.Name
	h := state.NewHistory([]state.Entry{{Time: now, Secret: "relaykey", Version: "7", Outcome: state.Proven, Left: []string{last}}})
	if s := StatusOf(p, h, 0, ""); s.Drifted || len(s.Secrets[0].Left) > 0 {
		t.Errorf("%s answered and is as declared, and yet is left behind: %+v", last, s.Secrets[0])
	}
	p.Seen[2].Reach = reconciler.Unreachable
	s := StatusOf(p, h, 0, "").Drift()
	if !s.Drifted || len(s.Secrets[0].Left) != 1 {
		t.Errorf("%s is not known to have caught up: %+v", last, s.Secrets[0])
	}
	if out := written(t, s, Style{}); !strings.Contains(strings.Join(strings.Fields(out), " "), "left behind by the last rotation, with an old version") || !strings.Contains(out, "1 secret not on every host") || strings.Contains(out, "1 secret as declared") {
		t.Error(out)
	}
	for outcome, unsure := range map[state.Outcome]int{state.Failed: 0, state.Started: 1, state.Unknown: 1, state.Done: 1} {
		swap := state.Entry{Time: now, Secret: "relaykey", Version: "7", Step: "switch/swap a", Hosts: []string{last}, Outcome: outcome}
		h := state.NewHistory([]state.Entry{swap, {Time: now, Secret: "relaykey", Version: "7", Outcome: state.Proven, Left: []string{last}}})
		s := StatusOf(p, h, 0, "")
		if len(s.Secrets[0].LeftUnsure) != unsure || strings.Contains(strings.Join(strings.Fields(written(t, s, Style{})), " "), "whether it has the new version is not known") != (unsure > 0) {
			t.Errorf("%s: %+v", outcome, s.Secrets[0])
		}
	}
}

// TestOverlaps draws how much of an overlap is over, and says when it may end and what keeps it.
func TestOverlaps(t *testing.T) {
	key := relayKey(1)
	key.Status, key.Rounds = reconciler.AsDeclared, nil
	for _, c := range []struct {
		reason string
		o      reconciler.Overlap
		wants  map[Format]string
	}{
		{"under way", reconciler.Overlap{Old: "41C0…", Began: now.AddDate(0, 0, -5), Ends: now.AddDate(0, 0, 15)}, map[Format]string{
			Text:     "overlap ███░░░░░░░░░ relay key: 41C0… beside what replaces it, since " + date(now.AddDate(0, 0, -5)) + "; may end on " + date(now.AddDate(0, 0, 15)) + ", in 15 days",
			Markdown: "**overlap** relay key: 41C0… beside",
			HTML:     `<progress max="100" value="25"></progress> <strong>relay key</strong> 41C0… beside`,
			JSON:     `"old": "41C0…"`,
		}},
		{"over, and kept", reconciler.Overlap{Old: "im_app_a", Began: now.AddDate(0, 0, -5), Ends: now, Held: "2 connectors signed with it"}, map[Format]string{
			Text: "████████████ relay key: im_app_a beside what replaces it, since " + date(now.AddDate(0, 0, -5)) + "; may end since " + date(now) + "; 2 connectors signed with it"}},
		{"nobody recorded its beginning", reconciler.Overlap{Old: "im_app_a", Ends: now.AddDate(0, 0, 1)}, map[Format]string{
			Text: "overlap relay key: im_app_a beside what replaces it; may end on",
			HTML: "<p><strong>relay key</strong>"}},
		{"years", reconciler.Overlap{Old: "41C0…", Began: now.AddDate(-3, 0, 0), Ends: now.AddDate(1, 0, 0).Add(-time.Hour)}, map[Format]string{
			Text: "overlap █████████░░░ relay key:"}},
		{"for ever", reconciler.Overlap{Old: "41C0…", Began: now, Ends: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, map[Format]string{
			Text: "overlap ░░░░░░░░░░░░ relay key:", JSON: `"old": "41C0…"`}},
	} {
		key.Overlaps = []reconciler.Overlap{c.o}
		for f, want := range c.wants {
			got := strings.Join(strings.Fields(written(t, StatusOf(planOf(1, key), state.NewHistory(nil), 0, "").Drift(), Style{Format: f})), " ")
			if !strings.Contains(got, want) {
				t.Errorf("%s, %s: no %q in\n%s", c.reason, f, want, got)
			}
		}
	}
}

// TestOutageOfARunWithoutAnEnd demands that whoever may be down is named to the end: such a line is wrapped, and says what it leaves out.
func TestOutageOfARunWithoutAnEnd(t *testing.T) {
	entries := []state.Entry{{Time: now, Run: "r", Secret: "key", Version: "7", Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}}}}
	for i := range 15 {
		entries = append(entries, state.Entry{Time: now.Add(time.Duration(i) * time.Second), Run: "r", Secret: "key", Version: "7", Step: "switch/stop", Stops: "IdentityMeshRelayAgent",
			Hosts: []string{fmt.Sprintf("relay-%02d.north.contoso.example", 2*i)}, Outcome: state.Done})
	}
	of, _ := state.EvidenceOf(entries, "key")
	for name, report := range map[string]Report{"history": HistoryOf("contoso-prod", state.NewHistory(entries).Rotations("")), "evidence": EvidenceOf("contoso-prod", of, nil)} {
		for _, f := range []Format{Text, Markdown} {
			got := strings.Join(strings.Fields(written(t, report, Style{Format: f})), " ")
			if !strings.Contains(got, "relay-22.north.contoso.example stopped at 02:00:11 UTC or later, not seen up since; and 3 more: -o json has all") || strings.Contains(got, "…") {
				t.Errorf("%s as %s: %s", name, f, got)
			}
		}
	}
}

// TestFindingsWithoutRoom demands that notes that are alike push out nothing that weighs more.
func TestFindingsWithoutRoom(t *testing.T) {
	key := relayKey(1)
	key.Findings = nil
	for range 300 {
		key.Findings = append(key.Findings, reconciler.Finding{Severity: reconciler.Note, Code: "many", Text: "one of many"})
	}
	key.Findings = append(key.Findings, reconciler.Finding{Severity: reconciler.Note, Code: "rare", Text: "a rare one"},
		reconciler.Finding{Severity: reconciler.Warning, Code: "warns", Text: "a warning"}, reconciler.Finding{Severity: reconciler.Error, Code: "refuses", Text: "an error"})
	got := strings.Join(strings.Fields(written(t, Plan{Plan: planOf(1, key)}, Style{Format: Text})), " ")
	want := "error an error [refuses] warning a warning [warns] note a rare one [rare] note one of many [many]"
	if !strings.Contains(got, want) || !strings.Contains(got, "and 291 more findings: -o json has all") {
		t.Error(got)
	}
}

// TestLongTextsLeaveRoom demands that a text as long as who proposes a document likes takes no room from what else a comment is to say.
func TestLongTextsLeaveRoom(t *testing.T) {
	key := relayKey(1)
	long := strings.Repeat("Sat 00:00-01:00 Europe/Zurich, ", 4000)
	key.Findings = []reconciler.Finding{{Severity: reconciler.Note, Code: "window-closed", Text: long, Hint: long}}
	p := planOf(1, key)
	p.Fleet = []reconciler.Finding{{Severity: reconciler.Warning, Code: "trust-looser-window", Text: long, Hint: long}, {Severity: reconciler.Warning, Code: "trust-loosened", Text: "policy.unreachable.count is 2"}}
	out := written(t, Plan{Plan: p}, Style{Format: Markdown})
	for _, want := range []string{"[window-closed]", "[trust-looser-window]", "policy.unreachable.count is 2  [trust-loosened]", "\n    prepare", "\n    switch"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing: %.3000s", want, out)
		}
	}
}

// TestDeterministic demands the same bytes for the same plan.
func TestDeterministic(t *testing.T) {
	for _, f := range Formats() {
		if a, b := written(t, Plan{Plan: relays(50)}, Style{Format: f}), written(t, Plan{Plan: relays(50)}, Style{Format: f}); a != b {
			t.Errorf("%s differs", f)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	p := Plan{Plan: relays(10_000)}
	for _, f := range Formats() {
		b.Run(string(f), func(b *testing.B) {
			for b.Loop() {
				var w bytes.Buffer
				if err := Write(&w, Style{Format: f}, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Who plans for some secrets is told that a service of others may stand still unseen.
func TestAPlanForSomeSaysWhatWasNotLookedAt(t *testing.T) {
	for _, f := range []Format{Text, Markdown} {
		for _, only := range [][]string{nil, {"relaykey"}} {
			got := strings.Join(strings.Fields(written(t, Plan{Plan: &reconciler.Plan{Only: only}}, Style{Format: f, Width: 200})), " ")
			if strings.Contains(got, onlyLooked) != (only != nil) {
				t.Errorf("%s, only %q: %s", f, only, got)
			}
		}
	}
}
