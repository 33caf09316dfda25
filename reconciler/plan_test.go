package reconciler_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// The digest stands for what was reviewed: what would be done, on what document, seeing what there. Nothing else changes it.
func TestWhatTheDigestBinds(t *testing.T) {
	planned := func(f func(*specs.Deployment, *reconciler.Input), rotations ...reconciler.Rotation) string {
		d := &specs.Deployment{Name: "lab"}
		in := reconciler.Input{Now: time.Unix(1e9, 0), Seen: seen(map[string]looked{"relay": {"key=old"}, "r2": nil})}
		if f != nil {
			f(d, &in)
		}
		p, err := reconciler.MakePlan(d, append(rotations, usual("a")), in)
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest
	}
	whole := planned(nil)
	for _, c := range []struct {
		reason string
		got    string
		same   bool
	}{
		{"later, of another commit", planned(func(d *specs.Deployment, in *reconciler.Input) { in.Now, d.Origin.Commit = in.Now.Add(time.Hour), "x" }), true},
		{"another name", planned(func(d *specs.Deployment, _ *reconciler.Input) { d.Name = "live" }), false},
		{"another policy", planned(func(d *specs.Deployment, _ *reconciler.Input) { d.Policy.PlanTTL = specs.Duration{Text: "1h"} }), false},
		{"another fact", planned(func(_ *specs.Deployment, in *reconciler.Input) {
			in.Seen = seen(map[string]looked{"relay": {"key=new"}, "r2": nil})
		}), false},
		{"a host that is away", planned(func(_ *specs.Deployment, in *reconciler.Input) {
			in.Seen[onHost("relay")] = reconciler.Look{Reach: reconciler.Unreachable}
		}), false},
		{"a host less", planned(func(_ *specs.Deployment, in *reconciler.Input) { delete(in.Seen, onHost("relay")) }), false},
		{"another fact where there is nothing to do", planned(func(_ *specs.Deployment, in *reconciler.Input) {
			in.Seen = seen(map[string]looked{"relay": {"key=old"}, "r2": {"key=odd"}})
		}), true},
		{"a host less where there is nothing to do", planned(func(_ *specs.Deployment, in *reconciler.Input) { delete(in.Seen, onHost("r2")) }), true},
		{"another step", planned(nil, usual("c")), false},
	} {
		if (c.got == whole) != c.same {
			t.Errorf("%s: the digest is the same: %v", c.reason, !c.same)
		}
	}
}

// A plan says of what it is and how long it is good, in UTC and whole seconds: it is written, and read elsewhere.
func TestAPlanSaysOfWhat(t *testing.T) {
	d := &specs.Deployment{Name: "lab", Origin: specs.Origin{File: "lab.yaml", Commit: "c1"}, Policy: specs.Policy{PlanTTL: specs.Duration{Text: "1h", Seconds: 3600}}}
	now := time.Date(2026, 1, 1, 13, 0, 0, 5, time.FixedZone("", 3600))
	p, err := reconciler.MakePlan(d, nil, reconciler.Input{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	if p.Made != noon || p.GoodUntil != noon.Add(time.Hour) || p.Deployment != "lab" || p.Source != "lab.yaml" || p.Commit != "c1" || len(p.Spec) != 64 {
		t.Errorf("%+v", p)
	}
	if !p.Empty() || len(p.Blocked()) > 0 {
		t.Errorf("nothing to do, and the plan is not empty: %+v", p)
	}
}

// Whoever is refused, unknown or as declared has no steps and no words, whatever the rotation says of rounds.
func TestOnlyWhatRotatesIsDone(t *testing.T) {
	is := func(name string, s reconciler.Status) rotation {
		r := usual(name)
		r.with = func(c *reconciler.Change) { c.Status = s }
		return r
	}
	p, err := plan(t, is("r", reconciler.Refused), is("u", reconciler.Unknown), is("d", reconciler.AsDeclared), is("u2", reconciler.Unknown))
	if err != nil {
		t.Fatal(err)
	}
	var blocked []string
	for _, c := range p.Blocked() {
		blocked = append(blocked, c.Secret.Name)
	}
	if !p.Empty() || len(p.Steps()) > 0 || !slices.Equal(blocked, []string{"r", "u", "u2"}) || p.Count(reconciler.Unknown) != 2 || p.Count(reconciler.Rotate) != 0 {
		t.Errorf("%q %+v", blocked, p)
	}
	for _, c := range p.Changes {
		if c.Lines != nil || c.Undo != "" {
			t.Errorf("%s tells of steps: %+v", c.Secret, c)
		}
	}
	b := newBench(t, is("d", reconciler.AsDeclared), usual("a"))
	if b.plan.Empty() {
		t.Error("there is something to do, and the plan is empty")
	}
	if o := b.run(t.Context()); !slices.Equal(ended(o), []string{"a proven"}) || !slices.Equal(b.words(), []string{"started a", "proven a"}) {
		t.Errorf("%q, the ledger says %q", ended(o), b.words())
	}
	for s, want := range map[reconciler.Severity]bool{reconciler.Error: true, reconciler.Warning: false, reconciler.Note: false} {
		if reconciler.Blocked([]reconciler.Finding{{Severity: reconciler.Note}, {Severity: s}}) != want {
			t.Errorf("%s blocks: %v", s, !want)
		}
	}
}

// Targets that did not answer for the same reason are one finding; one that did is none.
func TestFleetFindings(t *testing.T) {
	in := func(kind reconciler.TargetKind, name string) reconciler.Target {
		return reconciler.Target{Kind: kind, Name: name}
	}
	s := seen(map[string]looked{"fine": nil})
	for _, name := range []string{"r2", "r1", "r3"} {
		s[onHost(name)] = reconciler.Look{Reach: reconciler.Unreachable, Err: reconciler.Hinted(fmt.Errorf("%s: dial %s: refused", name, name), "is it on?")}
	}
	s[onHost("r4")] = reconciler.Look{Reach: reconciler.Unreachable, Err: errors.New("r4: no such host")}
	s[onHost("r5")] = reconciler.Look{Reach: reconciler.Broken, Err: errors.New("r5: access denied")}
	s[onHost("r6")] = reconciler.Look{}
	s[in(reconciler.APITarget, "")] = reconciler.Look{Reach: reconciler.Broken, Err: errors.New("status 500")}
	want := []reconciler.Finding{
		{Severity: reconciler.Warning, Code: "target-failed", Text: "answers and cannot be looked at: status 500", Hosts: []string{"Admin API"}},
		{Severity: reconciler.Warning, Code: "target-failed", Text: "answers and cannot be looked at: access denied", Hosts: []string{"r5"}},
		{Severity: reconciler.Warning, Code: "target-unknown", Text: "was not looked at: no reason is known", Hosts: []string{"r6"}},
		{Severity: reconciler.Warning, Code: "target-unreachable", Text: "cannot be reached: dial the host: refused", Hosts: []string{"r1", "r2", "r3"}, Hint: "is it on?"},
		{Severity: reconciler.Warning, Code: "target-unreachable", Text: "cannot be reached: no such host", Hosts: []string{"r4"}},
	}
	p, err := reconciler.MakePlan(&specs.Deployment{Name: "lab"}, nil, reconciler.Input{Seen: s})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p.Fleet, want) {
		t.Errorf("got:\n%+v\nwant:\n%+v", p.Fleet, want)
	}
}

// question is a read.
type question struct {
	target reconciler.Target
	key    string
}

func (q question) Target() reconciler.Target { return q.target }
func (q question) Key() string               { return q.key }

type asking struct {
	rotation
	reads []reconciler.Read
}

func (a asking) Reads() []reconciler.Read { return a.reads }

// asked is a site that remembers the questions.
type asked struct {
	bench
	reads []reconciler.Read
}

func (a *asked) Look(_ context.Context, reads []reconciler.Read, tell func(reconciler.Event)) reconciler.Seen {
	tell(reconciler.Event{Kind: reconciler.LookBegan})
	a.reads = reads
	return seen(map[string]looked{"r1": {"key=old"}})
}

// Two rotations ask the same: it is asked once. Another host or another question is another one.
func TestObserveAsksOnce(t *testing.T) {
	file, hash := question{onHost("r1"), "file"}, question{onHost("r1"), "hash"}
	other := question{onHost("r2"), "file"}
	site := &asked{}
	s := reconciler.Observe(t.Context(), site, []reconciler.Rotation{asking{reads: []reconciler.Read{file, hash}}, asking{reads: []reconciler.Read{file, other}}}, nil)
	if !slices.Equal(site.reads, []reconciler.Read{file, hash, other}) {
		t.Errorf("asked %v", site.reads)
	}
	told := 0
	reconciler.Observe(t.Context(), site, nil, func(reconciler.Event) { told++ })
	if told != 1 {
		t.Errorf("the look was told %d times", told)
	}
	if res, ok := s.Of(file); !ok || res.Facts()[0].Value != "old" || s.Reach(onHost("r1")) != reconciler.Reached || s.Reach(onHost("r2")) != "" {
		t.Errorf("%v, %v", res, ok)
	}
	s[onHost("r2")] = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{"file": nil}}
	for _, q := range []question{hash, other, {onHost("r3"), "file"}} {
		if _, ok := s.Of(q); ok {
			t.Errorf("%v has an answer: unknown is never fine", q)
		}
	}
}

// What was seen stands in the plan in an order of its own: the same look gives the same bytes.
func TestSeenIsInOrder(t *testing.T) {
	s := reconciler.Seen{}
	for _, name := range []string{"r3", "r1", "r2"} {
		s[onHost(name)] = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{"c": looked{"c=1"}, "a": looked{"a=1"}, "b": nil, "d": looked{"d=1"}}}
	}
	s[reconciler.Target{Kind: reconciler.APITarget, Name: "x"}] = reconciler.Look{Reach: reconciler.Broken}
	for range 20 {
		p, err := reconciler.MakePlan(&specs.Deployment{}, []reconciler.Rotation{}, reconciler.Input{Seen: s})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range p.Seen {
			got = append(got, fmt.Sprint(h.Target, " ", h.Reach, " ", h.Facts))
		}
		if want := "x failed [],r1 reached [{a 1} {c 1} {d 1}],r2 reached [{a 1} {c 1} {d 1}],r3 reached [{a 1} {c 1} {d 1}]"; strings.Join(got, ",") != want {
			t.Fatalf("%q", got)
		}
	}
}

// unwritable is an op that JSON does not take.
type unwritable struct {
	op
	Fn func() `json:"fn"`
}

// A plan that cannot be written is an error that names the op, forward and back.
func TestAPlanThatCannotBeWritten(t *testing.T) {
	bad := unwritable{op: op{Host: "r1", What: "stop odd"}}
	for _, s := range []reconciler.Step{{Op: bad, Back: reconciler.Nothing()}, {Op: bad.op, Back: reconciler.Way(bad)}} {
		if _, err := plan(t, rotation{name: "a", steps: []reconciler.Step{s}}); err == nil || !strings.Contains(err.Error(), "stop odd") {
			t.Errorf("%v", err)
		}
	}
}
