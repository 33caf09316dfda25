package winrm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// childServer and childRecord tell a copy of the test program to open shells until it is killed.
const childServer, childRecord, childShells = "MESHROTATE_TEST_SERVER", "MESHROTATE_TEST_RECORD", 3

func TestMain(m *testing.M) {
	if address := os.Getenv(childServer); address != "" {
		config := sealing(address)
		config.Record = &Record{Dir: os.Getenv(childRecord)}
		for range childShells {
			if _, err := Open(context.Background(), config); err != nil {
				fmt.Println("failed:", err)
				os.Exit(1)
			}
		}
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or nobody is left to do so
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// opens starts a process that has opened shells. Kill ends it as nothing can be caught.
func opens(t *testing.T, address, dir string) (kill func()) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childServer+"="+address, childRecord+"="+dir)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = child.Process.Kill()
		_ = child.Wait()
		_ = in.Close()
	}
	t.Cleanup(kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatal(line, err)
	}
	return kill
}

// A host has no room for more shells. Those of a process that was killed make room; those of one that lives do not, nor those that
// are in no record of this user on this machine.
func TestShellsOfTheDeadMakeRoom(t *testing.T) {
	for _, c := range []struct {
		reason      string
		kill, other bool
		opens       bool
	}{
		{"it was killed", true, false, true},
		{"it lives", false, false, false},
		{"it was killed, and kept its record elsewhere", true, true, false},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Limits: wsman.Limits{ShellsPerUser: childShells}}
			address := serveLab(t, srv)
			dir := filepath.Join(t.TempDir(), "made", "if need be")
			theirs := dir
			if c.other {
				theirs = t.TempDir()
			}
			if kill := opens(t, address, theirs); c.kill {
				kill()
			}
			config := sealing(address)
			config.Record = &Record{Dir: dir}
			config.Sleep = func(context.Context, time.Duration) error { return nil }
			s, err := Open(t.Context(), config)
			if (err == nil) != c.opens {
				t.Fatal(err)
			}
			if n := srv.Shells(); n != childShells {
				t.Errorf("%d shells: no more than one makes room", n)
			}
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Class != Quota {
					t.Error(err)
				}
				return
			}
			second, err := Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []*Session{s, second} {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if n := srv.Shells(); n != childShells-2 {
				t.Errorf("%d shells are left", n)
			}
			config.Record.Close()
			if files, err := os.ReadDir(dir); err != nil || len(files) != 2 { // the dead one's
				t.Errorf("%v %v", files, err)
			}
		})
	}
}

// A record says what is left, whatever was cut off at its end; and it goes when the hosts have ended what is in it.
func TestWhatARecordSays(t *testing.T) {
	dir := t.TempDir()
	r := &Record{Dir: dir}
	r.made("a:1", "X")
	r.made("b:1", "Y")
	r.made("a:1", "Z")
	r.ended("a:1", "X")
	path := r.file.Name()
	if _, err := r.file.WriteString("+ a:1"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(left(path, "a:1"), left(path, "b:1"), left(path, "c:1")); got != "[Z] [Y] []" {
		t.Error(got)
	}
	old := time.Now().Add(-longest - time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	other := &Record{Dir: dir}
	other.made("a:1", "W")
	other.ended("a:1", "W")
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the record of a process that lives: %v", err)
	}
	other.Close()
	_ = r.lock.Close() // it dies
	other = &Record{Dir: dir}
	other.made("a:1", "W")
	other.Close()
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("one that could not delete its shell: %v %v", files, err)
	}
	other = &Record{Dir: t.TempDir()}
	other.made("a:1", "W")
	other.ended("a:1", "W")
	other.Close()
	if files, err := os.ReadDir(other.Dir); err != nil || len(files) > 0 {
		t.Errorf("one that has deleted its shell: %v %v", files, err)
	}
	var none *Record
	none.made("a:1", "X")
	none.Close()
	if none.free("a:1", nil) {
		t.Error("no record, and a shell in it")
	}
}
