package render

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// groupPlan is a plan of many secrets of one group: most rotate, one is refused, one is as declared.
func groupPlan(n int) *reconciler.Plan {
	p := &reconciler.Plan{Format: reconciler.PlanFormat, Deployment: "contoso-prod", Digest: "9c1f04d2", Made: time.Unix(0, 0).UTC(), GoodUntil: time.Unix(0, 0).UTC()}
	for i := range n {
		c := reconciler.Change{Secret: secret.Ref{Name: fmt.Sprintf("thing:secret://app/%04d", i), Version: "4"}, Title: fmt.Sprintf("thing %d", i), Group: "secrets of things",
			Status: reconciler.Rotate, Before: "3", Reason: "the spec asks for 4", Undo: "no way back", Lines: []reconciler.Line{{Phase: "accept", Text: "set it"}, {Phase: "verify", Text: "it is there"}},
			Findings: []reconciler.Finding{{Severity: reconciler.Warning, Code: "same", Text: "the same for all"}}}
		switch i {
		case 0:
			c.Lines[1].Text = "it is there, and works"
		case 1:
			c.Status, c.Reason, c.Lines = reconciler.Refused, "the spec asks for 4", nil
			c.Findings = append(c.Findings, reconciler.Finding{Severity: reconciler.Error, Code: "unfit", Text: "this one alone"})
		case 2:
			c.Status, c.Before, c.Reason, c.Lines, c.Findings = reconciler.AsDeclared, "4", "set yesterday", nil, nil
		case 3:
			c.Before = "2"
		}
		p.Changes = append(p.Changes, c)
	}
	return p
}

// A thousand secrets of a group are a row for each way in which they stand, whatever the format; JSON has each of them.
func TestAGroupIsOneRow(t *testing.T) {
	p := groupPlan(1000)
	for _, f := range Formats() {
		var b bytes.Buffer
		if err := Write(&b, Style{Format: f}, Plan{Plan: p}); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if f == JSON {
			if n := strings.Count(text, "secret://app/"); n < 1000 {
				t.Errorf("json names %d", n)
			}
			continue
		}
		for _, want := range []string{"998 secrets of things", "thing 1", "various", "the same for all", "998 to rotate"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%.3000s", f, want, text)
			}
		}
		if n := strings.Count(text, "\n"); n > 150 || len(text) > 20_000 {
			t.Errorf("%s: %d lines, %d bytes", f, n, len(text))
		}
	}
	var b bytes.Buffer
	if err := Write(&b, Style{}, Plan{Plan: p}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"    which     secret://app/0000 3 → 4, secret://app/0003 2 → 4", "    verify    1: it is there, and works\n    verify    997: it is there\n", "and 992 more", "    which     secret://app/0001\n"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("there is no %q in\n%s", line, b.String())
		}
	}
}

func TestAGroupsStatusAndOutcome(t *testing.T) {
	p := groupPlan(500)
	var b bytes.Buffer
	if err := Write(&b, Style{}, StatusOf(p, state.NewHistory(nil), 0, "")); err != nil {
		t.Fatal(err)
	}
	o := reconciler.Outcome{}
	for i, c := range p.Changes {
		if c.Status != reconciler.Rotate {
			continue
		}
		e := reconciler.Ended{Change: c, Ending: state.Proven, Evidence: []string{"it is there"}}
		if e.Change.Proof = "it works"; i == 7 {
			e.Change.Proof = "it is stored" // and the others work, too
		}
		if i%100 == 0 {
			e.Ending, e.Why = state.Ahead, fmt.Errorf("of %d", i)
		}
		o.Secrets = append(o.Secrets, e)
	}
	if err := Write(&b, Style{}, OutcomeOf(p, "run", time.Second, o)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"498 secrets of things", "492 secrets of things", "thing 7", "proven: it is stored", "proven: it works", "5 secrets of things", "1: of 100; 1: of 200; …"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "\n"); n > 60 {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}
