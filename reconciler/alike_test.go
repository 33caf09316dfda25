package reconciler_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Steps that hosts have alike are written once, and every step comes back as it was, in its place.
func TestAlikeStepsAreWrittenOnce(t *testing.T) {
	on := func(hosts string, keys ...string) (all []reconciler.Step) {
		for h := range strings.FieldsSeq(hosts) {
			for _, k := range keys {
				all = append(all, step(reconciler.Switch, h, k))
				all[len(all)-1].ID = reconciler.StepID(reconciler.Switch, all[len(all)-1].Op)
			}
		}
		return all
	}
	api := step(reconciler.Switch, "", "await ready")
	slow := on("r2", "stop relay")
	slow[0].Alone = true
	about := on("r2", "stop relay")
	about[0].Back = reconciler.Never("r2 is r1")
	for _, c := range []struct {
		reason  string
		steps   []reconciler.Step
		written string // how many steps, or for which hosts how many
	}{
		{"none", nil, ""},
		{"of one host", on("r1", "stop relay", "start relay"), "1 1"},
		{"of many hosts", on("r1 r2 r3", "stop relay", "swap settings"), "r[1..3]:2"},
		{"hosts have other steps", slices.Concat(on("r1 r2", "stop relay"), on("r3 r4", "start relay")), "r1,r2:1 r3,r4:1"},
		{"something else in between", slices.Concat(on("r1 r2", "stop relay"), []reconciler.Step{api}, on("r1 r2", "start relay")), "r1,r2:1 1 r1,r2:1"},
		{"not in the order of names", on("r2 r1 r3", "stop relay"), "1 r1,r3:1"},
		{"a host twice", on("r1 r1", "stop relay"), "1 1"},
		{"a flag differs", slices.Concat(on("r1", "stop relay"), slow, on("r3", "stop relay")), "1 1 1"},
		{"what is said differs", slices.Concat(on("r1", "stop relay"), about), "1 1"},
		{"hosts that are called like words of a plan", on("host id op relay", "stop relay"), "1 1 1 1"},
		{"hosts that are part of one another's name", on("r r1 r1.r", "stop relay"), "r,r1 r1.r:1"},
		{"strange names", on("a/b é [1..3] \x01", "stop relay"), "a/b,é:1 1 1"},
		{"a host that is called as the place is", on("{host} {host}s", "stop relay"), "1 1"},
		{"a step that has the place in a text", on("r1 r2", "stop {host}"), "1 1"},
	} {
		b, err := json.Marshal(reconciler.Round{Steps: c.steps})
		if err != nil {
			t.Fatal(err)
		}
		var back reconciler.Round
		if err := json.Unmarshal(b, &back); err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		if one, two := stepByStep(t, c.steps), stepByStep(t, back.Steps); !slices.Equal(one, two) {
			t.Errorf("%s:\n%s\n%s", c.reason, one, two)
		}
		if got := shape(t, b); got != c.written {
			t.Errorf("%s: written as %q, want %q: %s", c.reason, got, c.written, b)
		}
	}
}

func stepByStep(t *testing.T, steps []reconciler.Step) []string {
	all := []string{}
	for _, s := range steps {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

func shape(t *testing.T, round []byte) string {
	var written struct {
		Steps []struct {
			Hosts string
			Each  []json.RawMessage
		}
	}
	if err := json.Unmarshal(round, &written); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range written.Steps {
		if s.Hosts == "" {
			all = append(all, "1")
		} else {
			all = append(all, fmt.Sprintf("%s:%d", s.Hosts, len(s.Each)))
		}
	}
	return strings.Join(all, " ")
}

// What was seen of hosts of which the same was asked is written once, and comes back host by host.
func TestAlikeFactsAreWrittenOnce(t *testing.T) {
	host := func(name string, facts ...string) reconciler.HostFacts {
		return reconciler.HostFacts{Target: onHost(name), Reach: reconciler.Reached, Facts: looked(facts).Facts()}
	}
	away := reconciler.HostFacts{Target: onHost("r5"), Reach: reconciler.Unreachable}
	api := reconciler.HostFacts{Target: reconciler.Target{Kind: reconciler.APITarget}, Reach: reconciler.Reached}
	for _, c := range []struct {
		reason string
		seen   reconciler.Sights
		want   string
	}{
		{"nothing", nil, `[]`},
		{"alike", reconciler.Sights{host("r1", "x=1"), host("r2", "x=1"), host("r3", "x=1")}, `[{"hosts":"r[1..3]","reach":"reached","facts":[{"field":"x","value":"1"}]}]`},
		{"a value differs", reconciler.Sights{host("r1", "x=1", "y="), host("r2", "x=2", "y=")},
			`[{"hosts":"r1,r2","reach":"reached","facts":[{"field":"x","values":["1","2"]},{"field":"y","value":""}]}]`},
		{"something else was seen", reconciler.Sights{api, host("r1", "x=1"), host("r2", "y=1"), host("r3", "x=1"), away},
			`[{"target":{"kind":"admin-api"},"reach":"reached"},{"hosts":"r1,r3","reach":"reached","facts":[{"field":"x","value":"1"}]},` +
				`{"target":{"kind":"host","name":"r2"},"reach":"reached","facts":[{"field":"y","value":"1"}]},{"target":{"kind":"host","name":"r5"},"reach":"unreachable"}]`},
		{"a field twice", reconciler.Sights{host("r1", "x=1", "x=2"), host("r2", "x=1", "x=3")},
			`[{"hosts":"r1,r2","reach":"reached","facts":[{"field":"x","value":"1"},{"field":"x","values":["2","3"]}]}]`},
	} {
		b, err := json.Marshal(c.seen)
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %s, %v", c.reason, b, err)
		}
		var back reconciler.Sights
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, c.seen) {
			t.Errorf("%s: %v, %v; want %v", c.reason, back, err, c.seen)
		}
	}
	var s reconciler.Sights
	if err := json.Unmarshal([]byte(`[{"hosts":"r[1..3]","reach":"reached","facts":[{"field":"x","values":["1","2"]}]}]`), &s); err == nil || !strings.Contains(err.Error(), "2 values of x for 3 hosts") {
		t.Errorf("a value is missing: %v", err)
	}
}

// A plan of ten thousand hosts is written in few words, is what it was when it is read, and an edit of it is noticed.
func TestASavedPlanOfAFleet(t *testing.T) {
	fleet := usual("a")
	fleet.steps = nil
	saw := map[string]looked{}
	for i := range 10_000 {
		host := fmt.Sprintf("relay-%05d", i)
		fleet.steps = append(fleet.steps, step(reconciler.Switch, host, "stop relay"), step(reconciler.Switch, host, "start relay", "stop relay"))
		saw[host] = looked{"machine=" + host, "key=6"}
	}
	p, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{fleet}, reconciler.Input{Seen: seen(saw)})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 600_000 { // one value for each host, and the sentences of a plan whose hosts are of no kind
		t.Errorf("%d bytes", len(text))
	}
	read, err := reconciler.ReadPlan(text)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(stepByStep(t, p.Steps()), stepByStep(t, read.Steps())) || len(p.Steps()) != 20_000 || !reflect.DeepEqual(p.Seen, read.Seen) {
		t.Error("it is read as another plan")
	}
	for _, edit := range [][2]string{{"relay-[00000..09999]", "relay-[00000..09998]"}, {`"{host}"`, `"relay-00007"`}, {"stop relay", "stop other"}, {`"value":"6"`, `"value":"7"`},
		{`"relay-00007"`, `"relay-00008"`}, {"relay-[00000..09999]", "r[1..1000000],s[1..1000000]"}} {
		if _, err := reconciler.ReadSaved([]byte(strings.ReplaceAll(string(text), edit[0], edit[1]))); err == nil || reconciler.HintOf(err) == "" {
			t.Errorf("%s for %s: %v", edit[1], edit[0], err)
		}
	}
}
