package labcli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// TestSavedPlan applies what was reviewed, once, or refuses and says what has changed.
func TestSavedPlan(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	planned := func() { t.Helper(); w.run(2, "plan", "--out", "plan.json").says(t, "meshrotate apply plan.json") }
	codes := []int{1}
	refused := func(says ...string) {
		t.Helper()
		before := files(t, filepath.Join(w.dir, ".meshrotate", "values"))
		r := w.start("apply", "plan.json").wait()
		if r.says(t, append(says, "hint: ")...); !slices.Contains(codes, r.code) {
			t.Fatalf("exit code %d, want one of %d\n%s", r.code, codes, r.err)
		}
		if after := files(t, filepath.Join(w.dir, ".meshrotate", "values")); len(after) != len(before) {
			t.Error("a refused plan minted a value")
		}
	}
	planned()
	w.breaks("edit", "relay-01")
	refused("relay-01.lab.example: IdentityMeshRelayAgent\\appsettings.json has another content than it had then", "nothing was changed")

	planned()
	w.breaks("key", "relay-02")
	codes = []int{1, 3} // it is cut off, as soon as Admin has missed a heartbeat
	refused("relay-02.lab.example: Relay:ApiKey in IdentityMeshRelayAgent\\appsettings.json was 6, now a value that meshrotate does not know")

	planned()
	w.breaks("stop", "relay-03")
	refused("relay-03.lab.example: service IdentityMeshRelayAgent was running, now stop", "found DOWN")
	w.breaks("start", "relay-03")

	w.rewrite("name: lab", "name: another")
	refused("the saved plan is for lab, not for another")
	w.rewrite("name: another", "name: lab")
	w.rewrite("version: 7", "version: 8")
	refused("the document has changed since the plan was saved")

	w.rewrite("secrets:", "policy: {planTtl: 1s}\n\nsecrets:")
	planned()
	time.Sleep(2 * time.Second) // the plan ends in whole seconds
	refused("the saved plan was good until")
	w.rewrite("1s", "24h")

	planned()
	w.run(1, "apply", "plan.json", "--only", "license").says(t, "--only does not go with a saved plan")
	w.run(0, "apply", "plan.json").says(t, "done: 2 secrets rotated and proven")
	codes = codes[:1]
	refused("already applied: a plan is used once")
	w.converged()

	must(t, os.WriteFile(filepath.Join(w.dir, "plan.json"), []byte(`{"format":"meshrotate.plan/v0"}`), 0o600))
	refused("not a plan of format meshrotate.plan/v3")
	w.run(1, "apply", "nowhere.json").says(t, "nowhere.json", "hint: ")
}

// TestPlanOfWhoReadsTheState has the salt, which the state shows to whoever may read it, and not the age identity.
func TestPlanOfWhoReadsTheState(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	w.run(2, "plan", "--out", "plan.json")
	file := filepath.Join(w.dir, "plan.json")
	genuine, err := os.ReadFile(file)
	must(t, err)
	salt, err := os.ReadFile(filepath.Join(w.dir, ".meshrotate", "salt"))
	must(t, err)
	p, err := reconciler.ReadPlan(genuine)
	must(t, err)
	p.GoodUntil = p.GoodUntil.AddDate(1, 0, 0)
	p.Sealer = func(whole string) string { return state.SealOf(secret.New(salt), secret.Value{}, whole) }
	forged, err := json.Marshal(p)
	must(t, err)
	must(t, os.WriteFile(file, forged, 0o600))
	w.run(1, "apply", "plan.json").says(t, "whoever can read the state can make such a seal", "nothing was changed")
	must(t, os.WriteFile(file, genuine, 0o600))
	env := w.env
	w.env = slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, values.DefaultIdentity+"=") })
	w.run(0, "show", "plan.json").says(t, "its seal is not checked here")
	w.env = env
	w.run(0, "apply", "plan.json").says(t, "done: 2 secrets rotated and proven")
}

// TestSavedPlanGoesOn kills the run of a reviewed plan, twice: the job that is run again finishes it, and only it.
func TestSavedPlanGoesOn(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	w.run(2, "plan", "--out", "plan.json")
	for range 2 {
		r := w.start("apply", "plan.json")
		r.reaches("switch: began")
		r.signal(os.Kill)
		r.wait()
	}
	w.rewrite("version: 7", "version: 8")
	other := w.start("apply", "plan.json").wait()
	if other.says(t, "the document has changed since the plan was saved", "nothing was contacted or changed"); other.code != 1 && other.code != 3 { // 3 where the run was cut off while something was down
		t.Errorf("exit code %d", other.code)
	}
	w.rewrite("version: 8", "version: 7")
	w.run(0, "apply", "plan.json").says(t, "goes on with the saved plan", "done: ")
	w.run(1, "apply", "plan.json").says(t, "already applied: a plan is used once")
	w.converged()
}

// TestFromGit takes the document from a revision. The commit is in the plan and in the ledger; the work tree is not read.
func TestFromGit(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	repo, err := git.PlainInit(w.dir, false)
	must(t, err)
	tree, err := repo.Worktree()
	must(t, err)
	for _, name := range []string{"meshrotate.yaml", "licenses", "keys"} {
		_, err := tree.Add(name)
		must(t, err)
	}
	who := &object.Signature{Name: "ada", Email: "ada@example.org", When: time.Now()}
	hash, err := tree.Commit("rotate", &git.CommitOptions{Author: who, Committer: who})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(w.dir, "meshrotate.yaml"), []byte("not what was committed"), 0o600))

	from := []string{"--repo", ".", "--ref", hash.String(), "--path", "meshrotate.yaml"}
	var plan struct{ Commit, Source string }
	w.run(2, append([]string{"plan", "-o", "json"}, from...)...).json(t, &plan)
	if plan.Commit != hash.String() || plan.Source != "meshrotate.yaml" {
		t.Errorf("%+v, want commit %s", plan, hash)
	}
	w.run(0, append([]string{"validate"}, from...)...)
	w.run(2, append([]string{"plan", "--out", "plan.json"}, from...)...).says(t, "lab at "+hash.String()[:7],
		"meshrotate apply --repo . --ref "+hash.String()+" --path meshrotate.yaml plan.json")
	w.run(0, append([]string{"apply", "plan.json"}, from...)...)
	var history struct{ Rotations []state.Rotation }
	w.run(0, append([]string{"history", "-o", "json"}, from...)...).json(t, &history)
	if last := history.Rotations[len(history.Rotations)-1]; last.Commit != hash.String() || last.Outcome != state.Proven {
		t.Errorf("the ledger says %+v", last)
	}
	w.run(0, append([]string{"plan"}, from...)...)
	w.run(1, "plan", "--repo", ".", "--ref", "nowhere").says(t, "nowhere", "hint: ")
}
