package providers_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

const sqlKey = "IdentityMesh:SqlConnectionString"

// neighbour is a rotation of the other secret in Admin's settings file. It wants Admin restarted, as the relay key does.
type neighbour struct{ doc *specs.Deployment }

func (n neighbour) Ref() secret.Ref { return secret.Ref{Name: "neighbour", Version: "2"} }
func (n neighbour) read() site.Setting {
	c := n.doc.Product.Admin
	return site.Setting{Host: n.doc.Hosts.Admin, Path: c.Settings, Setting: sqlKey, Secret: n.Ref(), Service: c.Service}
}
func (n neighbour) Reads() []reconciler.Read { return []reconciler.Read{n.read()} }

func (n neighbour) Plan(in reconciler.Input) reconciler.Change {
	c := reconciler.Change{Secret: n.Ref(), Title: "neighbour", Status: reconciler.AsDeclared}
	seen := site.Answer[site.SettingSeen](in.Seen, n.read())
	switch {
	case seen == nil:
		c.Status = reconciler.Unknown
		return c
	case seen.Version == n.Ref().Version:
		return c
	}
	c.Status, c.Reason = reconciler.Rotate, "it is not there yet"
	a, host, who := n.doc.Product.Admin, n.doc.Hosts.Admin, site.Who{Name: site.AdminLabel}
	ready := site.AwaitReady{Timeout: reconciler.Span(n.doc.Product.API.ReadyTimeout.Of())}
	start := site.StartService{Host: host, Service: a.Service, Timeout: reconciler.Span(a.StartTimeout.Of()), Who: who}
	bounce := site.Bounce{Start: start, Swaps: []string{a.Settings},
		Stop: site.StopService{Host: host, Service: a.Service, Timeout: reconciler.Span(a.StopTimeout.Of()), Who: who}}
	c.Rounds = []reconciler.Round{{Steps: append(bounce.Steps(),
		reconciler.Step{Phase: reconciler.Prepare, Back: reconciler.Way(site.Discard{Host: host, Path: a.Settings, Staged: true}),
			Op: site.StageSettings{Host: host, Path: a.Settings, Who: who, Edits: []site.KeyEdit{{Setting: sqlKey, Secret: n.Ref()}}}},
		site.Replace(site.Swap{Host: host, Path: a.Settings, Who: who}, false, a.Service),
		reconciler.Step{Phase: reconciler.Switch, Op: ready, Back: reconciler.Way(ready), After: []string{site.StepOf(start)}},
		reconciler.Step{Phase: reconciler.Verify, Back: reconciler.Nothing(),
			Op: site.ProveSetting{Host: host, Path: a.Settings, Setting: sqlKey, Secret: n.Ref(), Service: a.Service, Who: who}},
		reconciler.Step{Phase: reconciler.Retire, Back: reconciler.Nothing(), Op: site.Discard{Host: host, Path: a.Settings, Staged: true, Backup: true}},
	)}}
	return c
}

// Two secrets live in Admin's settings file: they are one write and one restart, and both are there afterwards.
func TestTwoSecretsInOneFile(t *testing.T) {
	virtual(t, func(t *testing.T) { twoSecretsInOneFile(t, newWorld(t, 2, "relaykey")) })
}

func twoSecretsInOneFile(t *testing.T, w *world) {
	next := secret.NewString(w.lab.SQL() + ";Application Name=neighbour")
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: w.lab.Env, Deployment: w.doc.Name})
	if err != nil {
		t.Fatal(err)
	}
	if err := values.NewKeep(w.state.Values, seal).Put(t.Context(), neighbour{w.doc}.Ref(), next); err != nil {
		t.Fatal(err)
	}
	w.more = []reconciler.Rotation{neighbour{w.doc}}

	var mu sync.Mutex
	var ops []string
	for _, h := range w.lab.Hosts() {
		h.Points(func(p machine.Point) machine.Action {
			mu.Lock()
			defer mu.Unlock()
			if p.When == machine.Before && !w.marks(p) {
				ops = append(ops, h.Name+" "+p.Op)
			}
			if p.When == machine.Before && p.Op == "service.start" && h == w.lab.Admin {
				w.lab.SetSQL(string(next.Expose())) // the database is changed at that moment
			}
			return machine.Action{}
		})
	}
	before, _, err := w.lab.Admin.Machine.FS.Read(lab.AdminSettings)
	if err != nil {
		t.Fatal(err)
	}
	_, o := w.run()
	if o.Err != nil || len(o.With(state.Proven)) != 2 {
		t.Fatalf("%v", o)
	}
	for _, h := range w.lab.Hosts() {
		for _, op := range []string{"file.stage", "file.swap", "service.stop", "service.start"} {
			if n := len(slices.DeleteFunc(slices.Clone(ops), func(s string) bool { return s != h.Name+" "+op })); n > 1 {
				t.Errorf("%s: %s %d times", h.Name, op, n)
			}
		}
	}
	after, _, err := w.lab.Admin.Machine.FS.Read(lab.AdminSettings)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{sqlKey: string(next.Expose()), "Relay:ApiKey": w.kept("relaykey", lab.NewKey)} {
		if s, err := appsettings.Get(after, key); err != nil || string(s.Value.Expose()) != want {
			t.Errorf("%s is not there (%v)", key, err)
		}
	}
	// Nothing else in the file changed: putting the old values back gives the old bytes.
	back, err := appsettings.SetAll(after, []appsettings.Edit{{Key: sqlKey, Value: secret.NewString(strings.TrimSuffix(string(next.Expose()), ";Application Name=neighbour"))},
		{Key: "Relay:ApiKey", Value: secret.NewString(w.old)}})
	if err != nil || string(back) != string(before) {
		t.Errorf("other bytes of the file changed (%v)", err)
	}
	if p, _ := w.run(); !p.Empty() {
		t.Errorf("a second run plans %d steps", len(p.Steps()))
	}
}
