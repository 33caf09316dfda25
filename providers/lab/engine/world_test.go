package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/state"
)

// need skips a test on a machine without its programs; in CI it fails.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not on PATH, and CI=true demands it", p)
		}
		t.Skipf("%s is not on PATH: this engine is not tried", p)
	}
}

// quick is a product that hardly waits: the engines take their time.
var quick = lab.Timing{AdminReady: 200 * time.Millisecond, AdminStop: 50 * time.Millisecond, RelayConnect: 100 * time.Millisecond,
	RelayStop: 50 * time.Millisecond, Heartbeat: 50 * time.Millisecond, Stale: 100 * time.Millisecond}

// world is a lab with a real engine, and the document that is applied to it.
type world struct {
	*testing.T
	lab   *lab.Lab
	dir   string
	doc   *specs.Deployment
	state state.State

	mu   sync.Mutex
	logs map[string][]string // what was recorded on the hosts, by kind
	said bytes.Buffer        // what the runs said
}

// newWorld may let its document ask for a new password of the services' account.
func newWorld(t *testing.T, e lab.Engine, relays int, account string) *world {
	t.Helper()
	return newWorldAt(t, e, lab.Config{Relays: relays, Account: account})
}

func newWorldAt(t *testing.T, e lab.Engine, c lab.Config) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), logs: map[string][]string{}}
	var err error
	c.Dir, c.Time, c.Engine, c.Record = w.dir, quick, e, w.record
	if w.lab, err = lab.Start(c); err != nil {
		e.Close()
		t.Fatal(err)
	}
	t.Cleanup(w.lab.Close)
	if w.doc, err = specs.LoadFile(filepath.Join(w.dir, "meshrotate.yaml"), providers.Sections()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*specs.Component{&w.doc.Product.Admin, &w.doc.Product.Engine, &w.doc.Product.Relay} {
		c.Stable = specs.Duration{Text: "1s", Seconds: 1}
	}
	if w.state, err = connect.State(w.doc); err != nil {
		t.Fatal(err)
	}
	old := w.key(lab.OldKey)
	w.await("the relays connect", func() bool { return w.lab.Connected() == c.Relays && w.lab.Accepts(old) })
	return w
}

func (w *world) record(_, kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[kind] = append(w.logs[kind], text)
}

// recorded is what was recorded of a kind so far.
func (w *world) recorded(kind string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs[kind]
}

func (w *world) await(what string, is func() bool) {
	w.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	w.Fatalf("never: %s\n%s", what, w.lab.Show())
}

// key is a relay key that the operator keeps.
func (w *world) key(version string) string {
	w.Helper()
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: w.lab.Env, Deployment: lab.Name})
	if err != nil {
		w.Fatal(err)
	}
	v, err := values.NewKeep(w.state.Values, seal).Get(context.Background(), secret.Ref{Name: "relaykey", Version: version})
	if err != nil {
		w.Fatal(err)
	}
	return string(v.Expose())
}

// say keeps what a person or a log would see.
func (w *world) say(v any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.said, "%+v\n", v)
	if b, err := json.Marshal(v); err == nil {
		w.said.Write(append(b, '\n'))
	}
}

// run is one run of the program: it plans, and applies the plan unless it is empty.
func (w *world) run() (*reconciler.Plan, reconciler.Outcome) {
	w.Helper()
	ctx := w.Context()
	rotations, err := session.RotationsOf(providers.Kinds(), w.doc, nil)
	if err != nil {
		w.Fatal(err)
	}
	site, err := connect.Open(ctx, providers.Kinds(), w.doc, connect.Options{Stay: true, Bound: true, LookupEnv: w.lab.Env, State: &w.state})
	if err != nil {
		w.Fatal(err)
	}
	defer site.Close(ctx)
	s := session.Session{Document: w.doc, Rotations: rotations, Site: site, State: w.state, By: "test@here",
		Tell: func(e reconciler.Event) { w.say(e) }}
	done, err := s.Apply(ctx, session.Unblocked)
	if err != nil {
		w.Fatal(err)
	}
	w.say(done.Plan)
	w.say(done.Outcome)
	return done.Plan, done.Outcome
}

// rotate is a run that must succeed for so many secrets, and one after it that has nothing to do.
func (w *world) rotate(secrets int) {
	w.Helper()
	plan, out := w.run()
	if out.Err != nil || len(out.With(state.Proven)) != secrets || len(out.Left) > 0 {
		w.Fatalf("%d steps; outcome %v\n%s", len(plan.Steps()), out, w.lab.Show())
	}
	if plan, _ := w.run(); !plan.Empty() {
		w.Errorf("the next plan is not empty: %+v", plan.Changes)
	}
}

// wantNewKey demands that the new key works everywhere, and the old one nowhere.
func (w *world) wantNewKey(old string) {
	w.Helper()
	key := w.key(lab.NewKey)
	if key == old || !w.lab.Accepts(key) || w.lab.Accepts(old) || w.lab.Connected() != len(w.lab.Relays) {
		w.Errorf("the new key is not the one that works:\n%s", w.lab.Show())
	}
	for host, k := range w.lab.Keys() {
		if k != key {
			w.Errorf("%s runs with another key", host)
		}
	}
}

// values are what nobody may see.
func (w *world) values(old string) map[string][]byte {
	w.Helper()
	_, sql, _ := strings.Cut(w.lab.SQL(), "Password=")
	sql, _, _ = strings.Cut(sql, ";")
	all := map[string][]byte{"the old key": []byte(old), "the new key": []byte(w.key(lab.NewKey)),
		"the password": []byte(w.lab.Password), "the SQL password": []byte(sql)}
	was, is := w.lab.AccountPasswords()
	all["the account's old password"], all["the account's new password"] = []byte(was), []byte(is)
	for _, v := range []string{lab.OldLicense, lab.NewLicense} {
		b, err := os.ReadFile(filepath.Join(w.dir, "licenses", v+".key"))
		if err != nil {
			w.Fatal(err)
		}
		all["license "+v] = bytes.TrimSpace(b)
	}
	return all
}

// everything is what was recorded and said so far, by where.
func (w *world) everything() map[string][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string][]byte{"the runs": bytes.Clone(w.said.Bytes())}
	for kind, texts := range w.logs {
		all[kind] = []byte(strings.Join(texts, "\n"))
	}
	return all
}

// read is a host's file as it is on the disk.
func (w *world) read(h *lab.Host, path string) []byte {
	w.Helper()
	b, _, err := h.Machine.FS.Read(path)
	if err != nil {
		w.Fatalf("%s: %s: %v", h.Name, path, err)
	}
	return b
}

// wantEdited demands that a settings file changed in the bytes of the key only.
func (w *world) wantEdited(h *lab.Host, before []byte, old string) {
	w.Helper()
	quoted := func(s string) []byte {
		b, _ := json.Marshal(s) // a string always marshals
		return b
	}
	want := bytes.Replace(before, quoted(old), quoted(w.key(lab.NewKey)), 1)
	if got := w.read(h, h.Settings()); bytes.Equal(want, before) || !bytes.Equal(got, want) {
		w.Errorf("%s: more than the key changed in the settings, or less: %d bytes, want %d", h.Name, len(got), len(want))
	}
}
