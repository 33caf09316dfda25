//go:build unix

package labcli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"meshrotate/providers/lab"
)

// limited runs the program where a process may have so many files open, and has some of them open already.
func (w *world) limited(files, taken int, args ...string) result {
	w.t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), program}, args...)...)
	cmd.Dir, cmd.Env = w.dir, w.env
	null, err := os.Open(os.DevNull)
	must(w.t, err)
	defer null.Close()
	for range taken {
		cmd.ExtraFiles = append(cmd.ExtraFiles, null)
	}
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	_ = cmd.Run() // the exit code says it
	_, _ = w.Write(append(out.Bytes(), told.Bytes()...))
	return result{cmd.ProcessState.ExitCode(), out.String(), told.String()}
}

// TestFewFiles has a fleet that is larger than what this machine lets a process open.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	w := startWorld(t, "--relays", "100", "--powershell", "10ms")
	w.rewrite("secrets:", "policy: {unreachable: {count: 90}}\n\nsecrets:") // what is this machine's fault is not a relay's

	r := w.limited(90, 0, "apply", "--yes")
	r.says(t, "this machine allows 90 open files, and 102 hosts at once need about 244; nothing was contacted", "raise the limit on open files to 244 or more")
	text, err := lab.Command(t.Context(), w.dir, "stats")
	must(t, err)
	var s lab.Stats
	must(t, json.Unmarshal([]byte(text), &s))
	if r.code != 1 || s.Requests > 0 {
		t.Errorf("exit code %d, and %d requests reached the hosts", r.code, s.Requests)
	}

	if r := w.limited(90, 0, "plan"); r.code != 2 || strings.Contains(r.out, "cannot be reached") {
		t.Errorf("a look takes fewer hosts at once, and closes what it has seen: exit code %d\n%s\n%s", r.code, r.out, r.err)
	}

	// Most of the files are somebody else's, which nobody could have known: there come no more at once than there is room for.
	if r := w.limited(110, 90, "plan"); r.code != 2 || strings.Contains(r.out, "cannot be reached") {
		t.Errorf("where there is room for some: exit code %d\n%s\n%s", r.code, r.out, r.err)
	}
	// All of them are.
	r = w.limited(110, 99, "plan")
	r.says(t, "not the host's fault: this machine allows 110 open files, and all are in use")
	if r.code != 1 || strings.Contains(r.out, "left behind") || strings.Contains(r.out, "cannot be reached") {
		t.Errorf("exit code %d\n%s\n%s", r.code, r.out, r.err)
	}

	r = w.limited(250, 0, "apply", "--yes")
	if r.code != 0 {
		t.Errorf("exit code %d where there is room\n%s\n%s", r.code, r.out, r.err)
	}
	w.converged()

	r = (&world{t: t, dir: t.TempDir(), env: w.env}).limited(90, 0, "lab", "--relays", "100")
	r.says(t, "this machine allows 90 open files, and 102 hosts at once need about 244")
	if r.code != 1 {
		t.Errorf("exit code %d of a lab", r.code)
	}
}
