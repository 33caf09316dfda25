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
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/state"
)

// TestMain puts the worlds' files into memory where the machine has such a folder: hundreds of worlds write a ledger each,
// and a disk would be waited for.
//
// Some tests are on a wire and wait for it: they do not keep those from the processor that need it. A world lives for a moment: to
// collect it sooner costs more than its memory.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		_ = flag.Set("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)+4))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
		debug.SetMemoryLimit(2 << 30)
	}
	if dir, err := os.MkdirTemp("/dev/shm", "meshrotate-"); err == nil {
		_ = os.Setenv("TMPDIR", dir)
		defer func() { _ = os.RemoveAll(dir) }()
	}
	if m.Run() == 0 && testing.Verbose() { // its code is the process's, and what is deferred here is run
		fmt.Printf("%d plans were refused: 0 services stopped\n", refusals.Load())
	}
}

// vendor signs the licenses of all labs: a key takes longer to make than most tests take.
var vendor = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// quick is a lab on a wire that hardly waits. In memory, on a virtual clock, everything takes its usual time.
var quick = lab.Timing{PowerShell: time.Millisecond, AdminReady: 50 * time.Millisecond, AdminStop: 20 * time.Millisecond,
	RelayConnect: 30 * time.Millisecond, RelayStop: 20 * time.Millisecond, Heartbeat: 20 * time.Millisecond, Stale: 50 * time.Millisecond, Sync: 50 * time.Millisecond}

// world is a lab and the document that is applied to it.
type world struct {
	// through is what stands between a process and a host; nil: nothing.
	through func(host string, s live.Shell) live.Shell
	t       testing.TB
	lab     *lab.Lab
	dir     string
	doc     *specs.Deployment
	state   state.State
	old     string // the relay key
	more    []reconciler.Rotation
	// confirmed and program are what the operator says, and what runs instead of programs of theirs.
	confirmed []string
	program   func(ctx context.Context, p live.Program) ([]byte, error)
	// changePassword is the domain.
	changePassword func(ctx context.Context, account string, old, next secret.Value) (bool, error)
	// client is the present process's, in memory; nil on a wire.
	memory bool

	mu     sync.Mutex
	client *lab.Client
	logged map[string]string // kinds by text, each text once: the script is the same on every host
	passed []string
	opened map[keptValue]string
	seal   *values.Seal // opens them
}

// keptValue is a value where it is kept.
type keptValue struct {
	in  state.Blobs
	ref secret.Ref
}

// newWorld starts a lab in memory, within a bubble of testing/synctest, with a document of these kinds; none means all.
func newWorld(t *testing.T, relays int, kinds ...string) *world {
	t.Helper()
	return newWorldAt(t, lab.Config{Relays: relays, Memory: true, Drivers: loginMode(kinds) != "", Login: loginMode(kinds), Account: accountMode(kinds), Connectors: connectors(kinds), Signing: signing(kinds), Build: building(kinds)}, kinds...)
}

// newWire starts one that listens on loopback.
func newWire(t *testing.T, relays int, kinds ...string) *world {
	t.Helper()
	w := newWorldAt(t, lab.Config{Relays: relays, Time: quick, Login: loginMode(kinds), Account: accountMode(kinds), Connectors: connectors(kinds), Signing: signing(kinds), Build: building(kinds)}, kinds...)
	short := func(d string, seconds float64) specs.Duration { return specs.Duration{Text: d, Seconds: seconds} }
	for _, c := range []*specs.Component{&w.doc.Product.Admin, &w.doc.Product.Engine, &w.doc.Product.Relay} {
		c.Stable = short("50ms", 0.05)
	}
	w.doc.Policy.HostTimeout = short("30s", 30)
	return w
}

func newWorldAt(t testing.TB, c lab.Config, kinds ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), logged: map[string]string{}, opened: map[keptValue]string{}, memory: c.Memory}
	c.Dir, c.Vendor, c.Record = w.dir, vendor(), w.record
	var err error
	if w.lab, err = lab.Start(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.lab.Close)
	if w.doc, err = specs.LoadFile(filepath.Join(w.dir, "meshrotate.yaml"), providers.Sections()); err != nil {
		t.Fatal(err)
	}
	for _, k := range providers.Kinds() {
		if len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind string) bool { return kindOf(kind) == k.Name }) {
			delete(w.doc.Secrets, k.Section.Key)
		}
	}
	w.hooks(kinds)
	w.kpasswd(kinds)
	if w.state, err = connect.State(w.doc); err != nil {
		t.Fatal(err)
	}
	w.seal = w.lab.Seal
	w.old = w.kept("relaykey", lab.OldKey)
	w.await("the relays connect, and all services run", func() bool { return w.lab.Connected() == c.Relays && w.lab.Accepts(w.old) && w.up() == nil })
	return w
}

// virtual runs a test in a world in memory, on a clock of its own.
func virtual(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	vendor() // a key is made outside the bubble: all share it
	synctest.Test(t, do)
}

func (w *world) record(_, kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logged[text] = kind
}

func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("never: %s\n%s", what, w.lab.Show())
}

// kept is a value from the store, "" while it is not there.
func (w *world) kept(name, version string) string {
	return w.unseal(secret.Ref{Name: name, Version: version})
}

func (w *world) unseal(ref secret.Ref) string { return w.unsealIn(w.state.Values, ref) }

// unsealIn opens a value once: that takes a while, some ask often, and no other ever takes its place.
func (w *world) unsealIn(kept state.Blobs, ref secret.Ref) string {
	at := keptValue{kept, ref}
	w.mu.Lock()
	known := w.opened[at]
	w.mu.Unlock()
	if known == "" {
		known = w.unsealed(kept, ref)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.opened[at] = known
	}
	return known
}

func (w *world) unsealed(kept state.Blobs, ref secret.Ref) string {
	v, err := values.NewKeep(kept, w.seal).Get(context.Background(), ref)
	if err != nil {
		return ""
	}
	return string(v.Expose())
}

func (w *world) rotations() []reconciler.Rotation {
	w.t.Helper()
	all, err := session.RotationsOf(providers.Kinds(), w.doc, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return append(all, w.more...)
}

// open connects as a new process does.
func (w *world) open(ctx context.Context) (reconciler.Site, func(), error) {
	o := connect.Options{Stay: true, Bound: true, LookupEnv: w.lab.Env, State: &w.state, Program: w.program, ChangePassword: w.changePassword}
	if w.memory {
		c := w.lab.Client()
		w.mu.Lock()
		w.client = c
		w.mu.Unlock()
		by(c, &o)
		if w.through != nil {
			direct := o.Dial
			o.Dial = func(ctx context.Context, host string) (live.Shell, error) {
				s, err := direct(ctx, host)
				if err != nil {
					return nil, err
				}
				return w.through(host, s), nil
			}
		}
	}
	s, err := connect.Open(ctx, providers.Kinds(), w.doc, o)
	if err != nil {
		return nil, nil, err
	}
	return s, func() { s.Close(ctx) }, nil
}

// by makes the connections those of a process without a wire.
func by(c *lab.Client, o *connect.Options) {
	api := c.API()
	o.API = &api
	o.DialSQL = c.DialSQL
	o.Dial = func(ctx context.Context, host string) (live.Shell, error) { return c.Dial(ctx, host) }
}

// kill ends the present process's connections, as the end of the process does.
func (w *world) kill() {
	w.mu.Lock()
	c := w.client
	w.mu.Unlock()
	c.Kill()
}

// together: all services that run have the key that Admin has.
func (w *world) together() error {
	keys := w.lab.Keys()
	admin, up := keys[w.lab.Admin.Name]
	for host, key := range keys {
		if up && key != admin {
			return fmt.Errorf("%s runs with another key than Admin", host)
		}
	}
	return w.oneString()
}

// sound: a relay runs with the new key only once Admin does, or did: Admin goes first, in both directions. And nobody ever
// runs with anything but the old or the new.
func (w *world) sound() error {
	keys, next := w.lab.Keys(), w.kept("relaykey", lab.NewKey)
	for host, key := range keys {
		if key != w.old && (key != next || next == "") {
			return fmt.Errorf("%s runs with a key that is neither the old nor the new", host)
		}
	}
	for _, holds := range []func() error{w.noLockout, w.accountOpen} {
		if err := holds(); err != nil {
			return err
		}
	}
	return w.loaded()
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
	for login, password := range w.lab.SQLPasswords() {
		all["the password of "+login] = []byte(password)
	}
	old, next := w.lab.AccountPasswords()
	all["the account's old password"], all["the account's new password"] = []byte(old), []byte(next)
	if p := w.kept("sqllogin", lab.NewLogin); p != "" {
		all["the new SQL password"] = []byte(p)
	}
	if p, ok := w.lab.Env("IM_LAB_PFX_PASSWORD"); ok {
		all["the password of the PFX"] = []byte(p)
	}
	for i, ref := range w.lab.Refs() {
		if i >= 2 && i < len(w.lab.Refs())-1 {
			continue // of a thousand some are enough: each is searched for in everything
		}
		old, next := w.lab.ConnectorSecrets(ref)
		all["the old "+ref], all["the new "+ref] = []byte(old), []byte(next)
	}
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
