package reconciler_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// looked is an answer that is nothing but facts: "field=value".
type looked []string

func (l looked) Facts() []reconciler.Fact {
	var all []reconciler.Fact
	for _, s := range l {
		field, value, _ := strings.Cut(s, "=")
		all = append(all, reconciler.Fact{Field: field, Value: value})
	}
	return all
}

func onHost(name string) reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: name}
}

// seen is a look at relays that answered.
func seen(facts map[string]looked) reconciler.Seen {
	s := reconciler.Seen{}
	for name, l := range facts {
		s[onHost(name)] = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{"file": l}}
	}
	return s
}

// warnedOf is a secret without steps that has something to say of a host.
func warnedOf(s reconciler.Status, how reconciler.Severity) reconciler.Rotation {
	return rotation{name: "b", rounds: []reconciler.Round{}, with: func(c *reconciler.Change) {
		c.Status, c.Findings = s, []reconciler.Finding{{Severity: how, Code: "odd", Text: "it was 5 minutes ago", Hosts: []string{"r9"}}}
	}}
}

func save(t *testing.T, p *reconciler.Plan) *reconciler.Saved {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := reconciler.ReadSaved(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What was loosened for nobody, and is in force once the request is merged, is told as that: the document is the same.
func TestASavedPlanAndAnotherBase(t *testing.T) {
	made := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	plan := func(trust, ttl string, fleet ...reconciler.Finding) *reconciler.Plan {
		d := &specs.Deployment{Name: "lab", Policy: specs.Policy{PlanTTL: specs.Duration{Text: ttl, Seconds: 86400}}, Origin: specs.Origin{Trust: trust}}
		p, err := reconciler.MakePlan(d, []reconciler.Rotation{usual("a")}, reconciler.Input{Now: made, Seen: seen(map[string]looked{"r1": {"key=old"}})})
		if err != nil {
			t.Fatal(err)
		}
		p.Trust, p.Fleet = trust, fleet
		return p
	}
	loosened := reconciler.Finding{Severity: reconciler.Warning, Code: "trust-loosened", Text: "policy.planTtl loosens, and is not in force: 2d"}
	err := save(t, plan("main at 1234567", "1d", loosened)).Check(plan("main at 89abcde", "2d"), state.History{})
	want := "or what it is held against has (plan: main at 1234567, now: main at 89abcde)\n       no longer so: policy.planTtl loosens, and is not in force: 2d"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// A reviewed plan is applied as it was reviewed or not at all, and the refusal names what changed.
func TestASavedPlanIsHeldAgainstTheWorld(t *testing.T) {
	made := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	day := specs.Policy{PlanTTL: specs.Duration{Text: "1d", Seconds: 86400}}
	doc := func(name, commit string, p specs.Policy) *specs.Deployment {
		return &specs.Deployment{Name: name, Origin: specs.Origin{Commit: commit}, Policy: p}
	}
	fleet := usual("a")
	for i := range 7 {
		fleet.steps = append(fleet.steps, step(reconciler.Switch, fmt.Sprint("r", i+1), "restart relay"))
	}
	planned := func(d *specs.Deployment, at time.Time, facts map[string]looked, with ...reconciler.Rotation) *reconciler.Plan {
		p, err := reconciler.MakePlan(d, append([]reconciler.Rotation{fleet}, with...), reconciler.Input{Now: at, Seen: seen(facts)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	then := planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}})
	many := map[string]looked{}
	for i := range 7 {
		many[fmt.Sprint("r", i+1)] = looked{"key=new"}
	}
	longer := day
	longer.PlanTTL.Text = "2d"
	applied := []state.Entry{{Secret: "a", Outcome: state.Started, Plan: then.Digest}}
	cutOff := []state.Entry{{Secret: "a", Version: "2", Outcome: state.Started, Plan: then.Digest}}
	inSwitch := append(slices.Clone(cutOff), state.Entry{Secret: "a", Version: "2", Step: "switch/stop relay", Hosts: []string{"relay"}, Outcome: state.Started, Plan: then.Digest})
	ended := append(slices.Clone(cutOff), state.Entry{Secret: "a", Version: "2", Outcome: state.Proven, Plan: then.Digest})
	byHand := append(slices.Clone(cutOff), state.Entry{Secret: "a", Version: "2", Outcome: state.Started, Plan: "another"})
	warned := planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}, warnedOf(reconciler.Rotate, reconciler.Warning))
	for reason, now := range map[string]*reconciler.Plan{"the warning holds": warned, "it does not hold any more": then} {
		if err := save(t, warned).Check(now, state.History{}); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
	}
	content := func(file, key string) *reconciler.Plan {
		return planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"file=" + file, "key=" + key}})
	}
	if err := save(t, content("747ab06c3d60", "old")).Check(content("09dbd029b11e", "new"), state.History{}); err == nil ||
		!strings.Contains(err.Error(), "no longer true: r1: key was old, now new (and 1 more)\n       r1: file has another content than it had then (fingerprint") {
		t.Errorf("what is known of a file comes before its fingerprint: %v", err)
	}
	for _, c := range []struct {
		reason  string
		now     *reconciler.Plan
		entries []state.Entry
		says    []string // "" is fine
		not     string
	}{
		{"nothing changed", planned(doc("lab", "0123456789", day), made.Add(time.Hour), map[string]looked{"r1": {"key=old"}}), nil, nil, ""},
		{"a merge commit changes no document", planned(doc("lab", "abc", day), made, map[string]looked{"r1": {"key=old"}}), nil, nil, ""},
		{"its last second", planned(doc("lab", "0123456789", day), made.Add(24*time.Hour), map[string]looked{"r1": {"key=old"}}), nil, nil, ""},
		{"too old", planned(doc("lab", "0123456789", day), made.Add(24*time.Hour+time.Second), map[string]looked{"r1": {"key=old"}}), nil, []string{"good until 2026-01-02T12:00:00Z"}, ""},
		{"a plan is used once", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}), applied, []string{then.Digest[:8], "already applied"}, ""},
		{"its run was cut off: what is left is done, however late and whatever that run has changed", planned(doc("lab", "abc", day), made.Add(48*time.Hour), map[string]looked{"r1": {"key=new"}}), inSwitch, nil, ""},
		{"it was cut off before it gave anything out", planned(doc("lab", "abc", day), made.Add(time.Hour), map[string]looked{"r1": {"key=new"}}), cutOff, nil, ""},
		{"so it was, and that is too long ago", planned(doc("lab", "abc", day), made.Add(48*time.Hour), map[string]looked{"r1": {"key=new"}}), cutOff, []string{"good until 2026-01-02T12:00:00Z"}, ""},
		{"its run has ended since", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}), ended, []string{"already applied"}, ""},
		{"another run has gone on since", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}), byHand, []string{"already applied"}, ""},
		{"its run was cut off, and the document is another now", planned(doc("lab", "0123456789", longer), made, map[string]looked{"r1": {"key=old"}}), cutOff, []string{"already applied"}, ""},
		{"its run was cut off, and there is more to do", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}, usual("c")), cutOff, []string{"already applied"}, ""},
		{"of another deployment", planned(doc("live", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}), nil, []string{"for lab, not for live"}, ""},
		{"another document: the commits say where to look", planned(doc("lab", "", longer), made, map[string]looked{"r1": {"key=new"}}), nil, []string{"document has changed", "commit 01234567,", "now: in no commit"}, "key"},
		{"another step, and the same hosts", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}}, usual("c")), nil, []string{"16 then, 21 now", "steps differ"}, ""},
		{"a host that no step touches", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}, "r9": {"key=new"}}), nil, nil, ""},
		{"a host that no step touches, and another that one does: what matters is told", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=new"}, "r9": {"key=new"}}), nil, []string{"r1: key was old, now new\n"}, "r9"},
		{"a host where there is something to do now", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}, "r9": {"key=odd"}},
			rotation{name: "c", steps: []reconciler.Step{step(reconciler.Switch, "r9", "restart relay")}}), nil, []string{"r9: not in the plan\n"}, "r1"},
		{"a note, and a secret that is as declared", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}},
			warnedOf(reconciler.AsDeclared, reconciler.Warning), warnedOf(reconciler.Rotate, reconciler.Note)), nil, nil, ""},
		{"a warning that the reviewer has not read", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}},
			warnedOf(reconciler.Rotate, reconciler.Warning)), nil, []string{"b has a warning that it did not have: it was 5 minutes ago", "[odd]\n"}, ""},
		{"one host", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=new"}}), nil, []string{"r1: key was old, now new\n", "nothing was changed"}, "more"},
		{"two", planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=new"}, "r2": {"key=new"}}), nil, []string{"r1: key was old, now new (and 1 more)", "\n       r2: not in the plan\n"}, ""},
		{"many hosts: five are named", planned(doc("lab", "0123456789", day), made, many), nil, []string{"r1: key was old", "and 6 more", "r2: not", "r5: not"}, "r6"},
	} {
		err := save(t, then).Check(c.now, state.NewHistory(c.entries))
		if (err != nil) != (c.says != nil) {
			t.Errorf("%s: %v", c.reason, err)
		}
		if err == nil {
			continue
		}
		for _, word := range c.says {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: no %q in %v", c.reason, word, err)
			}
		}
		if c.not != "" && strings.Contains(err.Error(), c.not) || !strings.Contains(reconciler.HintOf(err), "meshrotate plan --out") {
			t.Errorf("%s: %v, hint %q", c.reason, err, reconciler.HintOf(err))
		}
	}
	// A run used one like it, and put everything back; this one was made after that.
	again := *then
	again.Entries = 2
	used := []state.Entry{{Secret: "a", Version: "7", Outcome: state.Started, Plan: then.Digest}, {Secret: "a", Version: "7", Outcome: state.Back, Plan: then.Digest}}
	now := planned(doc("lab", "0123456789", day), made, map[string]looked{"r1": {"key=old"}})
	if err := save(t, &again).Check(now, state.NewHistory(used)); err != nil {
		t.Errorf("made since: %v", err)
	}
	if err := save(t, &again).Check(now, state.NewHistory(append(used, used...))); err == nil {
		t.Error("and used since")
	}
}

func TestWhatIsNoSavedPlan(t *testing.T) {
	for _, c := range []struct{ reason, text, says string }{
		{"no JSON", `relays:`, "not a plan: invalid"},
		{"JSON of something else", `{"secrets":[]}`, `its format is ""`},
		{"a plan of tomorrow", `{"format":"meshrotate.plan/v4"}`, "v4"},
	} {
		s, err := reconciler.ReadSaved([]byte(c.text))
		if s != nil || err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(reconciler.HintOf(err), "plan --out") {
			t.Errorf("%s: %v, %v, hint %q", c.reason, s, err, reconciler.HintOf(err))
		}
	}
}

// What differs is told host by host and field by field, whichever side it is missing on.
func TestDifferences(t *testing.T) {
	fact := func(s ...string) []reconciler.Fact { return looked(s).Facts() }
	host := func(name string, reach reconciler.Reach, facts ...string) reconciler.HostFacts {
		return reconciler.HostFacts{Target: onHost(name), Reach: reach, Facts: fact(facts...)}
	}
	const up, away = reconciler.Reached, reconciler.Unreachable
	for _, c := range []struct {
		reason    string
		then, now []reconciler.HostFacts
		want      []string
	}{
		{"the same", []reconciler.HostFacts{host("a", up, "x=1", "y=2")}, []reconciler.HostFacts{host("a", up, "y=2", "x=1")}, nil},
		{"a new host", nil, []reconciler.HostFacts{host("a", up, "x=1")}, []string{"a: not in the plan"}},
		{"hosts that are gone, in the plan's order", []reconciler.HostFacts{host("b", up), host("a", up)}, nil,
			[]string{"b: was in the plan, is no longer looked at", "a: was in the plan, is no longer looked at"}},
		{"a host that is away has no facts to compare", []reconciler.HostFacts{host("a", up, "x=1")}, []reconciler.HostFacts{host("a", away)}, []string{"a: was reached, now unreachable"}},
		{"another value of one field", []reconciler.HostFacts{host("a", up, "x=1", "y=2")}, []reconciler.HostFacts{host("a", up, "x=1", "y=3")}, []string{"a: y was 2, now 3"}},
		{"another content of a file", []reconciler.HostFacts{host("a", up, "f=747ab06c3d60")}, []reconciler.HostFacts{host("a", up, "f=09dbd029b11e")},
			[]string{"a: f has another content than it had then (fingerprint 747ab06c3d60, now 09dbd029b11e)"}},
		{"a value that nobody knows", []reconciler.HostFacts{host("a", up, "x=1")}, []reconciler.HostFacts{host("a", up, "x=unknown")}, []string{"a: x was 1, now a value that meshrotate does not know"}},
		{"fields that came and went", []reconciler.HostFacts{host("a", up, "x=1")}, []reconciler.HostFacts{host("a", up, "y=2")}, []string{"a: y was not there, now 2", "a: x was 1, now not there"}},
	} {
		if got := reconciler.Differences(c.then, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.reason, got)
		}
	}
}

// What somebody read in a saved plan is what will be done: a step or a fact that was edited there is refused.
func TestASavedPlanThatWasEdited(t *testing.T) {
	p, err := plan(t, usual("a"))
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	e := json.NewEncoder(&indented)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(p); err != nil {
		t.Fatal(err)
	}
	if _, err := reconciler.ReadSaved(indented.Bytes()); err != nil {
		t.Errorf("however it is laid out, it is the same plan: %v", err)
	}
	for _, edit := range [][2]string{{`"goodUntil": "0`, `"goodUntil": "9`}, {`"made": "0`, `"made": "1`}, {`"deployment": "test"`, `"deployment": "test", "trust": "nobody at all"`},
		{`"title": "a"`, `"title": "a", "reason": "all is well"`}, {`"title": "a"`, `"title": "b"`}, {`"deployment": "test"`, `"deployment": "test", "GoodUntil": "2099-01-01T00:00:00Z"`},
		{`"deployment": "test"`, `"deployment": "test", "fleet": []`}, {`"relay"`, `"relay-09"`}, {"stop admin", "stop other"}, {`"seen"`, `"sean"`}} {
		_, err := reconciler.ReadSaved([]byte(strings.ReplaceAll(indented.String(), edit[0], edit[1])))
		if edit[0] == `"seen"` && len(p.Seen) == 0 {
			continue
		}
		if !strings.Contains(indented.String(), edit[0]) {
			t.Errorf("there is no %s in %s", edit[0], indented.String())
		}
		if err == nil || reconciler.HintOf(err) == "" {
			t.Errorf("%s for %s: %v", edit[1], edit[0], err)
		}
	}
}

// Who can write the file can make its digest again. Without the state's salt its seal is wrong.
func TestASavedPlanIsSealed(t *testing.T) {
	made := func() *reconciler.Plan {
		p, err := plan(t, usual("a"))
		if err != nil {
			t.Fatal(err)
		}
		p.Salt = "0123"
		p.Sealer = func(whole string) string { return state.SealOf(secret.NewString("the salt"), secret.Value{}, whole) }
		return p
	}
	now := made()
	if err := save(t, made()).Check(now, state.History{}); err != nil {
		t.Error(err)
	}
	for reason, forge := range map[string]func(*reconciler.Plan){
		"good for longer": func(p *reconciler.Plan) { p.GoodUntil = p.GoodUntil.AddDate(70, 0, 0) },
		"another state's seal": func(p *reconciler.Plan) {
			p.Sealer = func(string) string { return state.SealOf(secret.NewString("no"), secret.Value{}, "") }
		},
		"without a seal": func(p *reconciler.Plan) { p.Sealer = nil },
		"without a salt": func(p *reconciler.Plan) { p.Salt, p.Sealer = "", nil },
	} {
		p := made()
		seal := ""
		if b, err := json.Marshal(p); err == nil {
			var has struct{ Seal string }
			_ = json.Unmarshal(b, &has)
			seal = has.Seal
		}
		forge(p)
		if reason == "good for longer" {
			p.Seal, p.Sealer = seal, nil
		}
		for _, history := range []state.History{{}, state.NewHistory([]state.Entry{{Secret: "a", Salt: "0123", Outcome: state.Started}})} {
			err := save(t, p).Check(now, history)
			if err == nil || !strings.Contains(err.Error(), "its seal is that of another one") || reconciler.HintOf(err) == "" {
				t.Errorf("%s: %v", reason, err)
			}
		}
	}
}

// Whoever may read the state has the salt. Where an age identity is known, a seal is not made without it, and not taken off.
func TestASavedPlanIsSealedWithTheIdentity(t *testing.T) {
	salt, key := secret.NewString("the salt"), secret.NewString("the key")
	made := func(key secret.Value) *reconciler.Plan {
		p, err := plan(t, usual("a"))
		if err != nil {
			t.Fatal(err)
		}
		p.Salt = "0123"
		p.Sealer = func(whole string) string { return state.SealOf(salt, key, whole) }
		return p
	}
	none := secret.Value{}
	for _, c := range []struct {
		then, now secret.Value
		says      string
	}{
		{key, key, ""},
		{none, none, ""},
		{none, key, "sealed where the age identity is not known"},
		{key, none, "here there is none with which that can be checked"},
		{secret.NewString("another"), key, "its seal is that of another one"},
	} {
		err := save(t, made(c.then)).Check(made(c.now), state.History{})
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || reconciler.HintOf(err) == "") {
			t.Errorf("%q: %v", c.says, err)
		}
	}
}

// Steps that differ for what no fact shows, such as Admin's list or the ledger, have another reason: that is what the reader is told.
func TestASavedPlanWithAnotherReason(t *testing.T) {
	made := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	plan := func(reason string, phase reconciler.Phase) *reconciler.Plan {
		d := &specs.Deployment{Name: "lab", Policy: specs.Policy{PlanTTL: specs.Duration{Text: "1d", Seconds: 86400}}}
		r := rotation{name: "a", steps: []reconciler.Step{step(phase, "relay", "check a")}, with: func(c *reconciler.Change) { c.Reason = reason }}
		p, err := reconciler.MakePlan(d, []reconciler.Rotation{r}, reconciler.Input{Now: made, Seen: seen(map[string]looked{"r1": {"key=old"}})})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	refused := plan("r1 holds 6", reconciler.Prepare)
	refused.Changes[0].Status = reconciler.Refused
	refused.Changes[0].Findings = []reconciler.Finding{{Severity: reconciler.Error, Code: "clock-skew", Text: "its clock is off", Hosts: []string{"r1", "r2", "r3", "r4"}}}
	err := save(t, plan("r1 holds 6", reconciler.Verify)).Check(refused, state.History{})
	if want := "and is refused (its clock is off [clock-skew], on r1, r2, r3 and 1 more)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	err = save(t, plan("r1 holds 6", reconciler.Verify)).Check(plan("r1 is cut off", reconciler.Prepare), state.History{})
	if want := "a: it was rotate (r1 holds 6), and is rotate (r1 is cut off)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
