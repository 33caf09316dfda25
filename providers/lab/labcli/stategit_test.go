//go:build linux

package labcli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/specs/gittest"
)

// inGit puts the state on a branch of a repository, with what the folder held.
func (w *world) inGit(l *lab.Lab) (repo string) {
	w.t.Helper()
	repo = filepath.Join(w.t.TempDir(), "state.git")
	must(w.t, exec.Command(gittest.Program(w.t), "init", "--bare", "--quiet", repo).Run())
	w.keepIn(l, "git: {repo: "+repo+"}")
	return repo
}

// runner is a checkout of the document on another disk. It shares nothing with the others but the branch and the hosts.
func (w *world) runner() *world {
	w.t.Helper()
	r := &world{t: w.t, dir: filepath.Join(w.t.TempDir(), "checkout"), env: w.env}
	must(w.t, os.CopyFS(filepath.Join(r.dir, "keys"), os.DirFS(filepath.Join(w.dir, "keys"))))
	must(w.t, os.CopyFS(filepath.Join(r.dir, "licenses"), os.DirFS(filepath.Join(w.dir, "licenses"))))
	text, err := os.ReadFile(filepath.Join(w.dir, "meshrotate.yaml"))
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(r.dir, "meshrotate.yaml"), text, 0o600))
	return r
}

// TestTwoRunners plans on one disk, applies that very plan on another, which is killed while services are down, and finishes on the first.
// Both are this machine's, so that the first sees at once that the other has ended; what another machine sees is told by state/git's tests.
func TestTwoRunners(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3})
	repo := w.inGit(l)
	one, two := w.runner(), w.runner()
	one.run(2, "plan", "--out", "plan.json")
	saved, err := os.ReadFile(filepath.Join(one.dir, "plan.json"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(two.dir, "plan.json"), saved, 0o600))
	r := two.start("apply", "plan.json", "-o", "json")
	stopped := make(chan struct{})
	var once sync.Once
	l.Host("relay-02").Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.After {
			once.Do(func() { r.signal(syscall.SIGKILL); close(stopped) })
		}
		return machine.Action{}
	})
	<-stopped
	if got := r.wait(); got.code != -1 {
		t.Errorf("exit code %d, want an end by the signal\n%s", got.code, got.err)
	}
	one.run(2, "status").says(t, "It has ended: the next apply takes the lock over")
	one.run(0, "apply", "--yes")
	one.run(0, "plan")
	two.run(0, "plan")
	w.eventually("all relays are connected", w.connected)
	two.run(0, "history").says(t, "license", "relaykey", "proven")
	two.run(0, "unlock").says(t, "is not locked")
	two.run(0, "values").says(t, "relaykey 7, declared", repo, "branch meshrotate/lab")
	log, err := exec.Command("git", "-C", repo, "log", "--format=%s%n%b", "meshrotate/lab").CombinedOutput()
	must(t, err)
	for _, said := range []string{"relaykey 7 started", "relaykey 7 proven", "Keep relaykey/7.age", "by ada@"} {
		if !strings.Contains(string(log), said) {
			t.Errorf("the log does not say %q:\n%s", said, log)
		}
	}
	w.said.Write(append(one.said.Bytes(), two.said.Bytes()...)) // it is searched for secrets
	files, err := exec.Command("git", "-C", repo, "log", "-p", "--all").CombinedOutput()
	must(t, err)
	w.said.Write(files)
}

// TestAStateThatCannotBeWritten is the first use of a branch to which nobody here may push: no host is blamed for that.
func TestAStateThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 1})
	w.run(0, "apply", "--yes")
	repo := filepath.Join(t.TempDir(), "state.git")
	must(t, exec.Command(gittest.Program(t), "init", "--bare", "--quiet", repo).Run())
	must(t, os.WriteFile(filepath.Join(repo, "hooks", "pre-receive"), []byte("#!/bin/sh\nexit 1\n"), 0o700))
	w.rewrite("secrets:", "state: {git: {repo: "+repo+"}}\n\nsecrets:")
	r := w.run(1, "plan", "--out", "plan.json")
	r.says(t, "the state", "push", "hint: ")
	if said := r.out + r.err; strings.Contains(said, "could not be looked at") || strings.Contains(said, "look: ") {
		t.Errorf("the hosts are blamed for the state: %s", said)
	}
}

// TestTwoJobsAtOnce has two machines apply at the same time: exactly one does.
func TestTwoJobsAtOnce(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2})
	w.inGit(l)
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.Admin.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.After {
			once.Do(func() { close(stopped); <-goOn }) // the host's disk is slow
		}
		return machine.Action{}
	})
	ended := make(chan result, 2)
	for range 2 {
		r := w.runner().start("apply", "--yes")
		go func() { ended <- r.wait() }()
	}
	loser := <-ended
	select {
	case <-stopped:
	case other := <-ended:
		t.Fatalf("nobody applies:\n%s\n%s", loser.err, other.err)
	}
	if loser.code != 1 {
		t.Errorf("exit code %d, want 1\n%s\n%s", loser.code, loser.out, loser.err)
	}
	loser.says(t, "the deployment is locked by ada@", "nothing was changed", "meshrotate unlock")
	close(goOn)
	if winner := <-ended; winner.code != 0 {
		t.Errorf("exit code %d\n%s\n%s", winner.code, winner.out, winner.err)
	}
	last := w.runner()
	last.run(0, "plan")
	if n := strings.Count(last.run(0, "history", "--since", "1h", "-o", "json").out, `"secret": "relaykey"`); n != 1 {
		t.Errorf("the key was rotated %d times", n)
	}
}

// TestARunThatLostItsRepository loses it before the first stop, as when a folder is moved. How the run ended is told on its machine, and on
// the branch once it is back.
func TestARunThatLostItsRepository(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2})
	repo := w.inGit(l)
	one, two := w.runner(), w.runner()
	var once sync.Once
	l.Host("relay-02").Points(func(p machine.Point) machine.Action {
		if p.Op == "file.stage" && p.When == machine.After {
			once.Do(func() { must(t, os.Rename(repo, repo+".away")) })
		}
		return machine.Action{}
	})
	one.run(1, "apply", "--yes", "--only", "relaykey").says(t, "the ledger does not take the start", "put back as it was", "journal-")
	must(t, os.Rename(repo+".away", repo))
	two.run(0, "history").says(t, "no outcome yet")
	one.run(2, "plan").says(t, "local-journal", "relaykey 7 back", "the next `meshrotate apply` on this machine publishes it")
	one.run(2, "status").says(t, "local-journal", "relaykey 7 back")
	one.run(0, "apply", "--yes").says(t, "is published now: relaykey 7 back")
	two.run(0, "history").says(t, "put back")
}
