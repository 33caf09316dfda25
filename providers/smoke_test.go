package providers_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	l, err := lab.Start(lab.Config{Relays: 3, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := specs.LoadFile(filepath.Join(dir, "meshrotate.yaml"), providers.Sections())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	site, err := providers.Open(ctx, d, providers.Options{Stay: true, LookupEnv: l.Env})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close(ctx)
	store, err := providers.OpenState(d)
	if err != nil {
		t.Fatal(err)
	}
	rotations, err := providers.Rotations(d)
	if err != nil {
		t.Fatal(err)
	}
	tell := func(e reconciler.Event) { t.Log(e.Kind, e.Phase, e.Target, e.Text, e.Error) }
	plan := func() *reconciler.Plan {
		entries, _ := store.Entries(ctx)
		seen := reconciler.Observe(ctx, site, rotations, tell)
		p, err := reconciler.MakePlan(d, rotations, reconciler.Input{Seen: seen, History: state.NewHistory(entries), Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan()
	b, _ := json.MarshalIndent(p.Changes, "", " ")
	t.Logf("%s", b)
	lease, err := store.Acquire(ctx, state.Holder{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	out := reconciler.Run{ID: "r1", Site: site, Ledger: store, Lease: lease, Plan: p, Parallel: 100, Now: time.Now, Tell: tell}.Apply(ctx)
	t.Logf("%+v", out)
	p = plan()
	b, _ = json.MarshalIndent(p.Changes, "", " ")
	t.Logf("%s", b)
	if len(p.Steps) != 0 {
		t.Fatal("not empty")
	}
}
