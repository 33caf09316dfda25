package providers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state/file"
)

// TestMain lets many tests wait at once: they wait for services, hardly for the processor.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		_ = flag.Set("test.parallel", "32")
	}
	os.Exit(m.Run())
}

// vendor signs the licenses of all labs: a key takes longer to make than most tests take.
var vendor = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// quick is a lab that hardly waits.
var quick = lab.Timing{PowerShell: time.Millisecond, AdminReady: 50 * time.Millisecond, AdminStop: 20 * time.Millisecond,
	RelayConnect: 30 * time.Millisecond, RelayStop: 20 * time.Millisecond, Heartbeat: 20 * time.Millisecond, Stale: 50 * time.Millisecond}

// world is a lab and the document that is applied to it.
type world struct {
	t     *testing.T
	lab   *lab.Lab
	dir   string
	doc   *specs.Deployment
	store *file.Store
	old   string // the relay key

	mu     sync.Mutex
	logged map[string]bool // each text once: the script is the same on every host
	passed []string
}

// newWorld starts a lab with a document of these kinds; none means all.
func newWorld(t *testing.T, relays int, kinds ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), logged: map[string]bool{}}
	var err error
	w.lab, err = lab.Start(lab.Config{Relays: relays, Dir: w.dir, Time: quick, Vendor: vendor(), Record: w.record})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.lab.Close)
	if w.doc, err = specs.LoadFile(filepath.Join(w.dir, "meshrotate.yaml"), providers.Sections()); err != nil {
		t.Fatal(err)
	}
	short := func(d string, seconds float64) specs.Duration { return specs.Duration{Text: d, Seconds: seconds} }
	for _, c := range []*specs.Component{&w.doc.Product.Admin, &w.doc.Product.Engine, &w.doc.Product.Relay} {
		c.Stable = short("50ms", 0.05)
	}
	w.doc.Product.API.ConnectedTimeout, w.doc.Product.API.ReadyTimeout = short("5s", 5), short("5s", 5)
	w.doc.Policy.HostTimeout = short("6s", 6)
	for _, k := range providers.Kinds() {
		if len(kinds) > 0 && !slices.Contains(kinds, k.Name) {
			delete(w.doc.Secrets, k.Section.Key)
		}
	}
	if w.store, err = providers.OpenState(w.doc); err != nil {
		t.Fatal(err)
	}
	w.old = w.kept("relaykey", lab.OldKey)
	w.await("the relays connect", func() bool { return w.lab.Connected() == relays && w.lab.Accepts(w.old) })
	return w
}

func (w *world) record(_, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logged[text] = true
}

func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("never: %s\n%s", what, w.lab.Show())
}

// kept is a value from the store, "" while it is not there.
func (w *world) kept(name, version string) string {
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: w.lab.Env})
	if err != nil {
		w.t.Error(err)
		return ""
	}
	v, err := values.NewKeep(filepath.Join(w.dir, ".meshrotate"), seal).Get(context.Background(), secret.Ref{Name: name, Version: version})
	if err != nil {
		return ""
	}
	return string(v.Expose())
}

func (w *world) rotations() []reconciler.Rotation {
	w.t.Helper()
	all, err := providers.Rotations(w.doc)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) open(ctx context.Context) (reconciler.Site, func(), error) {
	s, err := providers.Open(ctx, w.doc, providers.Options{Stay: true, LookupEnv: w.lab.Env})
	if err != nil {
		return nil, nil, err
	}
	return s, func() { s.Close(ctx) }, nil
}

// sound: no two services that run share a key of different versions.
func (w *world) sound() error {
	keys := w.lab.Keys()
	admin, up := keys[w.lab.Admin.Name]
	for host, key := range keys {
		if up && key != admin {
			return fmt.Errorf("%s runs with another key than Admin", host)
		}
	}
	return nil
}

func (w *world) up() error {
	for _, h := range w.lab.Hosts() {
		for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
			if s := h.Machine.Service(name); s.Installed && s.State != "running" {
				return fmt.Errorf("%s: %s is %s", h.Name, name, s.State)
			}
		}
	}
	return nil
}

// keyWorks: exactly this key works, on all relays.
func (w *world) keyWorks(key, dead string) error {
	switch {
	case key == "":
		return fmt.Errorf("there is no key")
	case !w.lab.Accepts(key):
		return fmt.Errorf("the key is not accepted")
	case dead != "" && w.lab.Accepts(dead):
		return fmt.Errorf("the other key is accepted")
	case w.lab.Connected() != len(w.lab.Relays):
		return fmt.Errorf("%d of %d relays are connected", w.lab.Connected(), len(w.lab.Relays))
	}
	for host, k := range w.lab.Keys() {
		if k != key {
			return fmt.Errorf("%s runs with another key", host)
		}
	}
	return nil
}

// licensed: this file is on both hosts, both run with it, and no other file is beside it.
func (w *world) licensed(version string) error {
	want, err := os.ReadFile(filepath.Join(w.dir, "licenses", version+".key"))
	if err != nil {
		return err
	}
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		b, info, err := h.Machine.FS.Read(lab.LicenseFile)
		if err != nil || !bytes.Equal(b, want) {
			return fmt.Errorf("%s has another license (%v)", h.Name, err)
		}
		if s := h.Machine.Service(lab.EngineService); s.Installed && s.StartedAt.Before(info.Modified) && version == lab.NewLicense {
			return fmt.Errorf("%s runs since before its license", h.Name)
		}
	}
	parsed, err := licensefile.Parse(want)
	if err != nil {
		return err
	}
	if served := w.lab.Served(); served == nil || !served.Expires.Equal(parsed.Expires) {
		return fmt.Errorf("Admin serves another license")
	}
	return nil
}

// secrets are what nobody may see.
func (w *world) secrets() map[string][]byte {
	all := map[string][]byte{"the old key": []byte(w.old), "the password": []byte(w.lab.Password)}
	if id, ok := w.lab.Env(values.DefaultIdentity); ok {
		all["the identity"] = []byte(id)
	}
	if k := w.kept("relaykey", lab.NewKey); k != "" {
		all["the new key"] = []byte(k)
	}
	for _, v := range []string{lab.OldLicense, lab.NewLicense} {
		if b, err := os.ReadFile(filepath.Join(w.dir, "licenses", v+".key")); err == nil {
			all["license "+v] = bytes.TrimSpace(b)
		}
	}
	_, sql, _ := strings.Cut(w.lab.SQL(), "Password=")
	sql, _, _ = strings.Cut(sql, ";")
	all["the SQL password"] = []byte(sql)
	return all
}

// said is what was logged on the hosts, and every file of the state.
func (w *world) said() map[string][]byte {
	w.mu.Lock()
	var logged bytes.Buffer
	for text := range w.logged {
		logged.WriteString(text + "\n")
	}
	all := map[string][]byte{"the hosts' logs": logged.Bytes()}
	w.mu.Unlock()
	err := filepath.WalkDir(filepath.Join(w.dir, ".meshrotate"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file that is gone again says nothing
		}
		if b, err := os.ReadFile(path); err == nil {
			all[path] = b
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
	return all
}

// proofs say what works, by kind: before and after its rotation. A kind without one is not tested, which is an error.
var proofs = map[string]struct{ old, new func(*world) error }{
	"relaykey": {
		func(w *world) error { return w.keyWorks(w.old, "") },
		func(w *world) error { return w.keyWorks(w.kept("relaykey", lab.NewKey), w.old) },
	},
	"license": {
		func(w *world) error { return w.licensed(lab.OldLicense) },
		func(w *world) error { return w.licensed(lab.NewLicense) },
	},
}

func fixture(kinds ...string) rotationtest.Fixture {
	return rotationtest.Fixture{New: func(t *testing.T) *rotationtest.World {
		w := newWorld(t, 2, kinds...)
		all := func(of func(string) func(*world) error) func() error {
			return func() error {
				for _, k := range kinds {
					if err := of(k)(w); err != nil {
						return fmt.Errorf("%s: %w", k, err)
					}
				}
				return nil
			}
		}
		r := &rotationtest.World{
			Deployment: w.doc, Rotations: w.rotations(), Open: w.open, Ledger: w.store, Lock: w.store,
			Old:   all(func(k string) func(*world) error { return proofs[k].old }),
			New:   all(func(k string) func(*world) error { return proofs[k].new }),
			Up:    w.up,
			Sound: w.sound, Secrets: w.secrets, Said: w.said,
			Points: w.points, Arm: w.arm,
		}
		w.watch()
		return r
	}}
}

// watch notes what could go wrong: every message to Admin, Engine and the first relay, and every op there.
func (w *world) watch() {
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost, w.lab.Relays[0]} {
		h.Wire(func(e wsman.Event) wsman.Fault {
			if e.Action == wsman.Send || e.Action == wsman.Receive {
				w.pass(fmt.Sprintf("%s %s %d", h.Name, e.Action, e.N))
			}
			return wsman.Fault{}
		})
		h.Points(func(p machine.Point) machine.Action {
			if p.Op != "start" {
				w.pass(fmt.Sprintf("%s %s %s/%s", h.Name, p.When, p.Op, p.Object))
			}
			return machine.Action{}
		})
	}
}

func (w *world) pass(point string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.passed, point) {
		w.passed = append(w.passed, point)
	}
}

// wireFaults are what happens to a message.
var wireFaults = map[string]wsman.Kind{"cut-before": wsman.CutBefore, "cut-after": wsman.CutAfter, "cut-mid": wsman.CutMid, "hang": wsman.Hang}

// points names everything that can go wrong: each message cut in three ways and left hanging, each op with a crash.
// Without MESHROTATE_ALL_FAULTS one of the ways is tried for each message.
func (w *world) points() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ways := []string{"cut-after", "cut-mid", "cut-before", "hang"}
	everything := os.Getenv("MESHROTATE_ALL_FAULTS") != ""
	var all []string
	slices.Sort(w.passed)
	for i, p := range w.passed {
		if strings.Contains(p, "/") {
			all = append(all, p+"|crash")
			continue
		}
		for j, way := range ways {
			if everything || i%len(ways) == j {
				all = append(all, p+"|"+way)
			}
		}
	}
	return all
}

// arm makes one of the points happen, once.
func (w *world) arm(point string) {
	name, way, _ := strings.Cut(point, "|")
	host, what, _ := strings.Cut(name, " ")
	h := w.lab.Host(host)
	var once sync.Once
	if way == "crash" {
		h.Points(func(p machine.Point) (a machine.Action) {
			if fmt.Sprintf("%s %s/%s", p.When, p.Op, p.Object) == what {
				once.Do(func() { a.End = machine.EndCrash })
			}
			return a
		})
		return
	}
	h.Wire(func(e wsman.Event) (f wsman.Fault) {
		if fmt.Sprintf("%s %d", e.Action, e.N) == what {
			once.Do(func() { f.Kind = wireFaults[way] })
		}
		return f
	})
}

// TestRotations runs the conformance suite on every kind alone, and on all together.
func TestRotations(t *testing.T) {
	var every []string
	for _, k := range providers.Kinds() {
		every = append(every, k.Name)
		if _, known := proofs[k.Name]; !known {
			t.Errorf("%s: no proof says when it works: it would not be tested", k.Name)
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			f := fixture(k.Name)
			f.Brief = true
			rotationtest.Run(t, f)
		})
	}
	t.Run("together", func(t *testing.T) { t.Parallel(); rotationtest.Run(t, fixture(every...)) })
}
