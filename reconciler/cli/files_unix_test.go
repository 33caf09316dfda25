//go:build unix

package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshrotate/reconciler/cli"
)

// TestSavedPlanIsAFile refuses what would be waited for without end, or would fill the memory.
func TestSavedPlanIsAFile(t *testing.T) {
	d := deploy(t)
	must(t, syscall.Mkfifo(filepath.Join(d.dir, "fifo"), 0o600))
	large, err := os.Create(filepath.Join(d.dir, "large.json"))
	must(t, err)
	must(t, large.Truncate(257<<20)) // it has no blocks
	must(t, large.Close())
	for _, c := range []struct{ path, text string }{
		{"{}/fifo", "fifo: is not a regular file"},
		{"/dev/zero", "/dev/zero: is not a regular file"},
		{"{}", "is a folder"},
		{"{}/large.json", "large.json: has more than 67108864 bytes"},
	} {
		quick(t, c.path, func() {
			d.run(t.Context(), "", "apply", c.path).expect(t, 1, "the saved plan: ", c.text, "hint: a saved plan is a file of at most 64 MiB")
		})
	}
}

// TestOutIsAFile does not put a file in the place of something else, and says so before any host is contacted.
func TestOutIsAFile(t *testing.T) {
	d := deploy(t)
	fifo, link, plan := filepath.Join(d.dir, "fifo"), filepath.Join(d.dir, "link"), filepath.Join(d.dir, "plan.json")
	must(t, syscall.Mkfifo(fifo, 0o600))
	must(t, os.Symlink("nowhere", filepath.Join(d.dir, "dangling")))
	other := filepath.Join(d.dir, "notes.txt")
	must(t, os.WriteFile(other, []byte("somebody's work"), 0o600))
	for _, c := range []struct{ path, text string }{
		{fifo, "is not a regular file"},
		{"/dev/null", "/dev/null is not a regular file"},
		{d.dir, "is a folder"},
		{other, "is no saved plan: it is not overwritten"},
		{filepath.Join(d.dir, "no", "plan.json"), "there is no folder"},
		{filepath.Join(d.dir, "dangling"), "is a link to nothing"},
		{"/proc/self/environ", "/proc/"}, // "takes no file", or there is no such folder here
	} {
		quick(t, c.path, func() {
			r := d.run(t.Context(), "", "plan", "--out", c.path)
			r.expect(t, 1, "save the plan: ", c.text, "no host was contacted")
			if strings.Contains(r.err, "look:") {
				t.Errorf("%s: hosts were contacted: %s", c.path, r.err)
			}
		})
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the FIFO is gone: %v, %v", info, err)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Errorf("the device is gone: %v, %v", info, err)
	}
	if data, err := os.ReadFile(other); err != nil || string(data) != "somebody's work" {
		t.Errorf("somebody's file is gone: %s, %v", data, err)
	}
	must(t, os.WriteFile(plan, nil, 0o600))
	must(t, os.Symlink("plan.json", link))
	d.run(t.Context(), "", "plan", "--out", link).expect(t, 2)
	d.run(t.Context(), "", "plan", "--out", link).expect(t, 2)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if data, err := os.ReadFile(plan); err != nil || !bytes.Contains(data, []byte("meshrotate.plan/v3")) {
		t.Errorf("the plan is not where the link leads: %.40s, %v", data, err)
	}
}

// TestDocumentWithoutEnd refuses a device as the document.
func TestDocumentWithoutEnd(t *testing.T) {
	quick(t, "/dev/zero", func() {
		var errs bytes.Buffer
		code := cli.Main(t.Context(), []string{"validate", "-f", "/dev/zero"}, cli.Stdio{Err: &errs}, app())
		result{code, "", errs.String()}.expect(t, 1)
	})
}

// quick demands an end within a minute.
func quick(t *testing.T, what string, do func()) {
	t.Helper()
	lost := time.AfterFunc(time.Minute, func() { panic(what + " is waited for") })
	defer lost.Stop()
	do()
}
