package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler/cli"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/file"
)

const document = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso-test
hosts:
  admin: im-admin.example
  relays: [relay-1.example, relay-2.example]
secrets:
  alpha: {version: "7"}
  beta: {version: "2"}
`

// deployment is a folder with a document, a world and the state.
type deployment struct {
	dir string
	app cli.App
	w   *world
	// asked is closed when a person is asked who never answers.
	asked chan struct{}
}

// silent is a person who is asked and never answers.
type silent struct{ asked chan struct{} }

func (s silent) Read([]byte) (int, error) {
	close(s.asked)
	select {}
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{dir: t.TempDir(), app: app(), asked: make(chan struct{})}
	d.w = &world{path: filepath.Join(d.dir, "world.json"), Hosts: map[string]map[string]string{}}
	for _, h := range []string{"im-admin.example", "relay-1.example", "relay-2.example"} {
		d.w.Hosts[h] = map[string]string{"alpha": "6", "beta": "2"}
	}
	must(t, d.w.save())
	must(t, os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte(document), 0o600))
	// It was used before, by a run that had nothing to do.
	used, err := openState(filepath.Join(d.dir, ".meshrotate"))
	must(t, err)
	must(t, used.Ledger.Append(t.Context(), state.Entry{Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Run: "r0", By: "ann@one", Deployment: "contoso-test", Step: "salt", Outcome: state.Done}))
	d.app.Open = func(ctx context.Context, _ *specs.Deployment, need cli.Need) (*cli.Live, error) {
		s, err := openState(filepath.Join(d.dir, ".meshrotate"))
		if err == nil && need.Bound {
			_, err = s.Salt.Salt(ctx)
		}
		return &cli.Live{Site: d.w, State: s}, err
	}
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// result is what a run of the command line left.
type result struct {
	code     int
	out, err string
}

// run runs the command line with the document's folder; {} in an argument stands for the folder. A person answers with
// the text of answer; "" is no person.
func (d *deployment) run(ctx context.Context, answer string, args ...string) result {
	var out, err bytes.Buffer
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "{}", d.dir)
	}
	s := cli.Stdio{In: strings.NewReader(answer), Out: &out, Err: &err, InTerminal: answer != "", Env: func(name string) (string, bool) {
		value, set := map[string]string{"USER": "ada"}[name]
		return value, set
	}}
	if answer == "never" {
		s.In = silent{d.asked}
	}
	code := cli.Main(ctx, append(args, "-f", filepath.Join(d.dir, "meshrotate.yaml")), s, d.app)
	return result{code, out.String(), err.String()}
}

func (r result) expect(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	flat := strings.Join(strings.Fields(r.out+r.err), " ")
	for _, want := range texts {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Fatalf("standard output:\n%s\nstandard error:\n%s", r.out, r.err)
	}
}

func (d *deployment) entries(t *testing.T) int {
	t.Helper()
	s, err := file.Open(filepath.Join(d.dir, ".meshrotate"))
	must(t, err)
	all, err := s.Entries(t.Context())
	must(t, err)
	return len(all) - 1 // but for that it was used before
}

// unlocked demands that nobody holds the lock.
func (d *deployment) unlocked(t *testing.T) {
	t.Helper()
	s, err := file.Open(filepath.Join(d.dir, ".meshrotate"))
	must(t, err)
	if h, held, err := s.Current(t.Context()); held || err != nil {
		t.Errorf("the lock is held by %+v, %v", h, err)
	}
}
