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
	"meshrotate/providers/values"
	"meshrotate/reconciler"
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
		_ = flag.Set("test.parallel", "40")
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
	more  []reconciler.Rotation

	mu     sync.Mutex
	logged map[string]bool // each text once: the script is the same on every host
	passed []string
}

// newWorld starts a lab with a document of these kinds; none means all.
func newWorld(t *testing.T, relays int, kinds ...string) *world {
	t.Helper()
	return newWorldAt(t, quick, relays, kinds...)
}

func newWorldAt(t *testing.T, pace lab.Timing, relays int, kinds ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), logged: map[string]bool{}}
	var err error
	w.lab, err = lab.Start(lab.Config{Relays: relays, Dir: w.dir, Time: pace, Vendor: vendor(), Record: w.record})
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
	for range 800 {
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
	return append(all, w.more...)
}

func (w *world) open(ctx context.Context) (reconciler.Site, func(), error) {
	s, err := providers.Open(ctx, w.doc, providers.Options{Stay: true, Bound: true, LookupEnv: w.lab.Env})
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
			if b = bytes.TrimSpace(b); len(b) > 100 { // some tests cut it
				all["license "+v] = b
			}
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
