package labcli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/state"
	"meshrotate/state/file"
)

// program is the path of the real program. TestMain builds it; nobody changes it later.
var program string

// TestMain builds the program once. These tests run processes and wait for them: many at once cost nothing, so the usual
// limit of parallel tests, the number of processors, is raised unless it is given.
func TestMain(m *testing.M) {
	if between() {
		return
	}
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "16")
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "meshrotate-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "meshrotate")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	// A cached result must not outlive what the program is made of: the go command sees what a test looks at.
	err = filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if out, err := exec.Command("go", "build", "-o", program, "meshrotate").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// world is a lab in a process of its own, and everything that an operator's programs said about it.
type world struct {
	t   *testing.T
	dir string
	env []string

	mu   sync.Mutex
	said bytes.Buffer
}

// startWorld starts a lab and waits until all its relays are connected. At the end of the test it searches whatever was said for
// secrets.
func startWorld(t *testing.T, args ...string) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "lab")}
	must(t, os.Mkdir(w.dir, 0o700))
	cmd := exec.Command(program, append([]string{"lab", "--dir", w.dir}, args...)...)
	cmd.Stdout, cmd.Stderr = w, w
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the lab's end is not what is tested
		_ = cmd.Wait()
		w.searchSecrets()
	})
	w.ready()
	return w
}

// startHere starts a lab in this process, so that the test can make weather, and waits until all its relays are connected. The
// operator's programs are processes of their own.
func startHere(t *testing.T, c lab.Config) (*world, *lab.Lab) {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	c.Dir = w.dir
	l, err := lab.Start(c)
	must(t, err)
	must(t, l.ServeControl())
	t.Cleanup(func() {
		l.Close()
		w.searchSecrets()
	})
	w.ready()
	return w, l
}

// ready waits for the lab and takes its environment.
func (w *world) ready() {
	w.t.Helper()
	w.eventually("the lab is up", func() bool { return w.connected() })
	env, err := os.ReadFile(filepath.Join(w.dir, "env"))
	must(w.t, err)
	w.env = append(os.Environ(), "NO_COLOR=1", "USER=ada")
	for line := range strings.Lines(string(env)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		w.env = append(w.env, name+"="+strings.Trim(value, "'"))
	}
}

// Write takes what a process says.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(p)
}

// connected says whether all relays are connected, as the lab knows it.
func (w *world) connected() bool {
	text, err := lab.Command(context.Background(), w.dir, "stats")
	var s lab.Stats
	return err == nil && json.Unmarshal([]byte(text), &s) == nil && s.Connected == s.Relays
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	w.t.Fatalf("within a minute this did not become true: %s", what)
}

// breaks makes a mishap happen.
func (w *world) breaks(what, host string) {
	w.t.Helper()
	if _, err := lab.Command(w.t.Context(), w.dir, "break", what, host); err != nil {
		w.t.Fatal(err)
	}
}

// rewrite changes the document.
func (w *world) rewrite(old, changed string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "meshrotate.yaml")
	text, err := os.ReadFile(path)
	must(w.t, err)
	if !bytes.Contains(text, []byte(old)) {
		w.t.Fatalf("the document does not hold %q", old)
	}
	must(w.t, os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(changed), 1), 0o600))
}

// running is a process of the program under way.
type running struct {
	w        *world
	cmd      *exec.Cmd
	out, err bytes.Buffer
	piped    sync.WaitGroup

	mu    sync.Mutex
	lines []string // of standard error
}

// start starts the program in the lab's folder.
func (w *world) start(args ...string) *running {
	w.t.Helper()
	r := &running{w: w, cmd: exec.Command(program, args...)}
	r.cmd.Dir, r.cmd.Env = w.dir, w.env
	r.cmd.Stdout = io.MultiWriter(&r.out, w)
	stderr, err := r.cmd.StderrPipe()
	must(w.t, err)
	must(w.t, r.cmd.Start())
	r.piped.Go(func() {
		for s := bufio.NewScanner(io.TeeReader(stderr, io.MultiWriter(&r.err, w))); s.Scan(); {
			r.mu.Lock()
			r.lines = append(r.lines, s.Text())
			r.mu.Unlock()
		}
	})
	return r
}

// reaches waits until a line of standard error has the text, or until the process ends.
func (r *running) reaches(text string) {
	r.w.t.Helper()
	r.w.eventually(text, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, l := range r.lines {
			if strings.Contains(l, text) {
				return true
			}
		}
		return false
	})
}

func (r *running) signal(s os.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.w.t.Error(err)
	}
}

// result is how a process ended. Code is -1 when a signal ended it.
type result struct {
	code     int
	out, err string
}

func (r *running) wait() result {
	r.piped.Wait()
	_ = r.cmd.Wait() // the exit code says it
	return result{r.cmd.ProcessState.ExitCode(), r.out.String(), r.err.String()}
}

// run runs the program and demands an exit code.
func (w *world) run(code int, args ...string) result {
	w.t.Helper()
	r := w.start(args...).wait()
	if r.code != code {
		w.t.Fatalf("%s: exit code %d, want %d\n%s\n%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}

// says demands texts, wherever lines were broken.
func (r result) says(t *testing.T, texts ...string) {
	t.Helper()
	all := strings.Join(strings.Fields(r.out+" "+r.err), " ")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%q is missing in\n%s\n%s", text, r.out, r.err)
		}
	}
}

// json reads the report.
func (r result) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), into); err != nil {
		t.Fatalf("not JSON: %v\n%s\n%s", err, r.out, r.err)
	}
}

// store is the ledger and the lock.
func (w *world) store() *file.Store {
	w.t.Helper()
	s, err := file.Open(filepath.Join(w.dir, ".meshrotate"))
	must(w.t, err)
	return s
}

// leftover is how the facts of a plan tell of a file that an earlier run left on a host.
var leftover = regexp.MustCompile(`\+(staged|backup)|\.meshrotate-`)

// converged demands that nothing is left to do, by everybody's account: the plan, the lab, the ledger, the lock.
func (w *world) converged() {
	w.t.Helper()
	plan := w.run(0, "plan", "-o", "json")
	if found := leftover.FindString(plan.out); found != "" {
		w.t.Errorf("the plan still sees a leftover: %s", found)
	}
	w.eventually("all relays are connected", w.connected)
	show := w.run(0, "lab", "show", "-o", "json").out
	if !json.Valid([]byte(show)) {
		w.t.Errorf("no JSON: %s", show)
	}
	if strings.Contains(show, "another key") || strings.Contains(show, "stopped") {
		w.t.Errorf("the lab does not agree:\n%s", show)
	}
	entries, err := w.store().Entries(w.t.Context())
	must(w.t, err)
	for _, name := range []string{"relaykey", "license"} {
		if last, ok := state.NewHistory(entries).LastProven(name); !ok || last.Run == lab.SeedRun {
			w.t.Errorf("the ledger holds no proven rotation of %s", name)
		}
	}
	if h, held, err := w.store().Current(w.t.Context()); held || err != nil {
		w.t.Errorf("the lock is held by %+v, %v", h, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
