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
	for _, line := range []string{"    which     secret://app/0003 2 → 4, secret://app/0000 3 → 4,\n              secret://app/0004 3 → 4, ", "    verify    1: it is there, and works\n    verify    997: it is there\n", "and 992 more", "    which     secret://app/0001\n"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("there is no %q in\n%s", line, b.String())
		}
	}
}

// A reviewer reads which of a thousand are unlike the rest, and how many of those are not named.
func TestWhatDiffersInAGroup(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(i int, c *reconciler.Change)
		says string
	}{
		{"none", func(int, *reconciler.Change) {}, "app/0000 3 → 4, secret://app/0001 3 → 4, secret://app/0002 3 → 4, secret://app/0003 3 → 4, secret://app/0004 3 → 4, secret://app/0005 3 → 4 and 994 more: -o json has all"},
		{"one is to have another version", func(i int, c *reconciler.Change) {
			if i == 500 {
				c.Secret.Version, c.Reason = "9", "the spec asks for 9"
			}
		}, "app/0500 3 → 9, secret://app/0000 3 → 4, "},
		{"one had another", func(i int, c *reconciler.Change) {
			if i == 999 {
				c.Before = "8"
			}
		}, "app/0999 8 → 4, secret://app/0000 3 → 4, "},
		{"one for another reason", func(i int, c *reconciler.Change) {
			if i == 500 {
				c.Reason = "an earlier run did not end"
			}
		}, "app/0500 3 → 4 (an earlier run did not end), secret://app/0000 3 → 4, "},
		{"one in another way", func(i int, c *reconciler.Change) {
			if i == 500 {
				c.Lines[0].Text = "set it on a command line"
			}
		}, "app/0500 3 → 4, secret://app/0000 3 → 4, "},
		{"each in its own way, one with another version", func(i int, c *reconciler.Change) {
			if c.Lines[0].Text = c.Secret.Name; i == 500 {
				c.Secret.Version = "9"
			}
		}, "app/0500 3 → 9, secret://app/0000 3 → 4, "},
		{"the fewest first", func(i int, c *reconciler.Change) {
			if c.Before = "2"; i%2 == 0 {
				c.Before = "1"
			}
			if i == 500 || i == 501 {
				c.Before = "0"
			}
		}, "app/0500 0 → 4, secret://app/0501 0 → 4, "},
		{"many", func(i int, c *reconciler.Change) {
			if i%10 == 0 {
				c.Before = "1"
			}
		}, "secret://app/0100 1 → 4, secret://app/0110 1 → 4 and 988 more, 88 of them unlike most: -o json has all"},
	} {
		p := &reconciler.Plan{Format: reconciler.PlanFormat, Deployment: "contoso-prod"}
		for i := range 1000 {
			one := reconciler.Change{Secret: secret.Ref{Name: fmt.Sprintf("thing:secret://app/%04d", i), Version: "4"}, Group: "secrets of things",
				Status: reconciler.Rotate, Before: "3", Reason: "the spec asks for 4", Lines: []reconciler.Line{{Phase: "accept", Text: "set it"}}}
			c.do(i, &one)
			p.Changes = append(p.Changes, one)
		}
		for _, f := range []Format{Text, Markdown} {
			var b bytes.Buffer
			if err := Write(&b, Style{Format: f}, Plan{Plan: p}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), c.says) {
				t.Errorf("%s: %s: there is no %q in\n%.3000s", c.name, f, c.says, b.String())
			}
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
