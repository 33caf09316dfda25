package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
	"meshrotate/state/file"
)

// TestPrompt asks before anything is changed.
func TestPrompt(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		args         []string
		code         int
		text, reason string
	}{
		{"yes", "yes\n", nil, 0, "done: 1 secret rotated and proven", "the only word that is accepted"},
		{"y", "y\n", nil, 1, "not confirmed; nothing was changed", "only yes is yes"},
		{"empty", "\n", nil, 1, "not confirmed", "enter alone is no"},
		{"no terminal", "", nil, 1, "hint: apply a saved plan", "nobody to ask"},
		{"--yes", "", []string{"--yes"}, 0, "done: 1 secret", "machines do not answer"},
		{"--host", "yes\n", []string{"--host", "relay-1"}, 1, "cannot be limited to one host", "a secret changes everywhere or nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			r := d.run(t.Context(), c.answer, append([]string{"apply"}, c.args...)...)
			r.expect(t, c.code, c.text)
			changed := d.w.Hosts["relay-1.example"]["alpha"] == "7"
			if changed != (c.code == 0) || (d.entries(t) > 0) != changed {
				t.Errorf("changed: %v, ledger: %d entries", changed, d.entries(t))
			}
			d.unlocked(t)
		})
	}
}

// TestSavedPlan applies what was reviewed, or nothing.
func TestSavedPlan(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d *deployment)
		args   []string
		code   int
		texts  []string
	}{
		{"unchanged", func(*deployment) {}, nil, 0, []string{"done: 1 secret"}},
		{"a host changed", func(d *deployment) { d.w.Hosts["relay-2.example"]["alpha"] = "5" }, nil, 1,
			[]string{"relay-2.example: alpha word was 6, now 5", "nothing was changed", "hint: run `meshrotate plan --out plan.json` again"}},
		{"a host is gone", func(d *deployment) { d.w.Down = []string{"relay-2.example"} }, nil, 1,
			[]string{"relay-2.example: was reached, now unreachable"}},
		{"the document changed", func(d *deployment) {
			_ = os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte(strings.Replace(document, "7", "8", 1)), 0o600)
		}, nil, 1, []string{"the document has changed since the plan was saved (plan: in no commit, now: in no commit)", "was 7, is now 8"}},
		{"too late", func(d *deployment) { d.app.Now = func() time.Time { return time.Now().Add(25 * time.Hour) } }, nil, 1,
			[]string{"the saved plan was good until", "--replan-if-equal"}},
		{"too late, and nothing else", func(d *deployment) { d.app.Now = func() time.Time { return time.Now().Add(80 * time.Hour) } },
			[]string{"--replan-if-equal"}, 0, []string{"done: 1 secret"}},
		{"too late, and a host changed", func(d *deployment) {
			d.app.Now = func() time.Time { return time.Now().Add(80 * time.Hour) }
			d.w.Hosts["relay-2.example"]["alpha"] = "5"
		}, []string{"--replan-if-equal"}, 1, []string{"relay-2.example: alpha word was 6, now 5"}},
		{"with less trust", func(d *deployment) {
			text, _ := os.ReadFile(filepath.Join(d.dir, "p.json"))
			plan, _ := reconciler.ReadPlan(text)
			plan.Trust = "main at 1234567"
			text, _ = json.Marshal(plan)
			_ = os.WriteFile(filepath.Join(d.dir, "p.json"), text, 0o600)
		}, nil, 1, []string{"the plan took contacts and credentials from main at 1234567", "hint: name the trusted side again"}},
		{"edited to be good for longer", func(d *deployment) {
			text, _ := os.ReadFile(filepath.Join(d.dir, "p.json"))
			_ = os.WriteFile(filepath.Join(d.dir, "p.json"), bytes.Replace(text, []byte(`"goodUntil": "2`), []byte(`"goodUntil": "3`), 1), 0o600)
		}, nil, 1, []string{"the saved plan was changed after it was made", "hint: make it again"}},
		{"with words added before its own", func(d *deployment) {
			text, _ := os.ReadFile(filepath.Join(d.dir, "p.json"))
			text = append([]byte(`{"changes": [{"findings": [{"severity": "note", "code": "x", "text": "seen by the security team"}]}],`), bytes.TrimPrefix(text, []byte("{"))...)
			_ = os.WriteFile(filepath.Join(d.dir, "p.json"), text, 0o600)
		}, nil, 1, []string{"the saved plan was changed after it was made", `"changes" is there twice`, "hint: make it again"}},
		{"edited, with its digest made anew", func(d *deployment) {
			text, _ := os.ReadFile(filepath.Join(d.dir, "p.json"))
			plan, _ := reconciler.ReadPlan(text)
			plan.GoodUntil = plan.GoodUntil.AddDate(70, 0, 0)
			text, _ = json.Marshal(plan)
			_ = os.WriteFile(filepath.Join(d.dir, "p.json"), text, 0o600)
		}, nil, 1, []string{"its seal is that of another one", "hint: find out who can write it"}},
		{"not a plan", func(d *deployment) { _ = os.WriteFile(filepath.Join(d.dir, "p.json"), []byte("{}"), 0o600) }, nil, 1,
			[]string{"not a plan of format meshrotate.plan/v3"}},
		{"with --only", func(*deployment) {}, []string{"--only", "alpha"}, 1, []string{"--only does not go with a saved plan"}},
		{"another parallelism", func(*deployment) {}, []string{"--parallel", "3"}, 0, []string{"done: 1 secret"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			d.run(t.Context(), "", "plan", "--out", "{}/p.json").expect(t, 2, "apply exactly this:")
			if info, err := os.Stat(filepath.Join(d.dir, "p.json")); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the saved plan is not the owner's alone: %v, %v", info.Mode(), err)
			}
			before := d.entries(t)
			c.change(d)
			d.run(t.Context(), "", append([]string{"apply", "{}/p.json"}, c.args...)...).expect(t, c.code, c.texts...)
			if c.code != 0 && d.entries(t) != before {
				t.Error("the ledger was written to")
			}
			d.unlocked(t)
		})
	}
}

// TestOnlySaved remembers in the plan for which kinds it was made.
func TestOnlySaved(t *testing.T) {
	d := deploy(t)
	d.w.Hosts["relay-1.example"]["beta"] = "1"
	d.run(t.Context(), "", "plan", "--only", "Beta", "--out", "{}/p.json").expect(t, 2, "1 to rotate", "only beta")
	d.run(t.Context(), "", "apply", "{}/p.json").expect(t, 0, "done: 1 secret")
	if d.w.Hosts["relay-1.example"]["alpha"] != "6" {
		t.Error("alpha was rotated too")
	}
	d.run(t.Context(), "", "plan", "--only", "beta").expect(t, 0, "nothing to do")
}

// TestFailures ends with the code that says what is live.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     func(w *world)
		code    int
		live    string // of alpha on relay-1
		entries bool
		texts   []string
	}{
		{"undone", func(w *world) { w.Fail = map[string]string{"relay-2.example/verify": "it says nothing"} }, 1, "6", true,
			[]string{"failed and put back", "relay-2.example: it says nothing", "put back as it was", "undo: taking back"}},
		{"refused", func(w *world) { w.Down = []string{"relay-2.example"} }, 1, "6", false,
			[]string{"nothing was changed: alpha word is refused", "hint: bring it back", "[host-unreachable]", "look: failed: relay-2.example"}},
		{"half undone", func(w *world) {
			w.Fail = map[string]string{"relay-2.example/verify": "it says nothing"}
			w.FailUndo = true
		}, 3, "7", true, []string{"what is live now must be looked at", "the undo failed"}},
		{"left behind", func(w *world) { w.FailRetire = true }, 3, "7", true, []string{"applied in part", "left behind", "finished hosts are left alone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			c.set(d.w)
			d.run(t.Context(), "", "apply", "--yes").expect(t, c.code, c.texts...)
			if got := d.w.Hosts["relay-1.example"]["alpha"]; got != c.live {
				t.Errorf("alpha is %s, want %s", got, c.live)
			}
			if (d.entries(t) > 0) != c.entries {
				t.Errorf("%d entries", d.entries(t))
			}
			d.unlocked(t)
		})
	}
}

// TestInterrupt ends at a safe point, says what interrupted it, and gives the lock back.
func TestInterrupt(t *testing.T) {
	ctrlC, term, hangup := errors.New("Ctrl-C"), errors.New("terminated"), errors.New("the terminal hung up")
	const ending = ": ending at the next safe point, with services that are down started first"
	for _, c := range []struct {
		hang  string
		cause error
		code  int
		live  string // of alpha on relay-1
		texts []string
		not   string
	}{
		{"look", ctrlC, 1, "6", []string{"interrupted by Ctrl-C while looking; nothing was changed"}, "safe point"},
		{"look", nil, 1, "6", []string{"interrupted while looking; nothing was changed"}, "Ctrl-C"},
		{"im-admin.example/prepare", ctrlC, 1, "6", []string{"interrupted by Ctrl-C" + ending + "; Ctrl-C again kills the run", "cause interrupted during prepare: Ctrl-C", "everything is as it was before"}, ""},
		{"im-admin.example/prepare", term, 1, "6", []string{"terminated" + ending, "cause interrupted during prepare: terminated"}, "Ctrl-C"},
		{"im-admin.example/prepare", hangup, 1, "6", []string{"the terminal hung up" + ending}, "Ctrl-C"},
		{"im-admin.example/switch", ctrlC, 3, "7", []string{"interrupted by Ctrl-C" + ending, "cause interrupted before verify: Ctrl-C", "UNKNOWN"}, "DOWN"},
		{"prompt", ctrlC, 1, "6", []string{"interrupted by Ctrl-C at the question; nothing was changed"}, "safe point"},
	} {
		t.Run(fmt.Sprint(c.hang, c.cause), func(t *testing.T) {
			d := deploy(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			d.w.Hang, d.w.hung = c.hang, make(chan struct{})
			answer, args := "", []string{"apply", "--yes"}
			if c.hang == "prompt" {
				answer, args = "never", []string{"apply"}
			}
			go func() {
				select {
				case <-d.asked:
				case <-d.w.hung:
				}
				cancel(c.cause)
				close(d.w.resume)
			}()
			d.w.resume = make(chan struct{})
			r := d.run(ctx, answer, args...)
			r.expect(t, c.code, c.texts...)
			if c.not != "" && strings.Contains(r.out+r.err, c.not) {
				t.Errorf("%q is there:\n%s%s", c.not, r.out, r.err)
			}
			if n := strings.Count(r.err, "safe point"); n > 1 {
				t.Errorf("it is said %d times:\n%s", n, r.err)
			}
			if got := d.w.Hosts["relay-1.example"]["alpha"]; got != c.live {
				t.Errorf("alpha is %s, want %s", got, c.live)
			}
			d.unlocked(t)
			d.w.Hang = ""
			d.run(t.Context(), "", "apply", "--yes").expect(t, 0)
			d.run(t.Context(), "", "plan").expect(t, 0, "nothing to do")
		})
	}
}

// TestLateInterrupt interrupts a run again and again at another moment: what is written never overlaps, as -race sees, and
// nothing follows the report.
func TestLateInterrupt(t *testing.T) {
	for i := range 40 {
		d := deploy(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Duration(i)*500*time.Microsecond, func() { cancel(errors.New("Ctrl-C")) })
		r := d.run(ctx, "", "apply", "--yes")
		if strings.Contains(r.err, "error: ") && strings.LastIndex(r.err, "safe point") > strings.Index(r.err, "error: ") {
			t.Errorf("a note after the end:\n%s", r.err)
		}
		if r.code == 0 != strings.Contains(r.out, "done: 1 secret") {
			t.Errorf("exit code %d:\n%s%s", r.code, r.out, r.err)
		}
		d.unlocked(t)
		cancel(nil)
	}
}

// TestLocked refuses to start beside another run, and unlock ends it.
func TestLocked(t *testing.T) {
	d := deploy(t)
	s, err := file.Open(filepath.Join(d.dir, ".meshrotate"))
	must(t, err)
	lease, err := s.Acquire(t.Context(), state.Holder{Run: "r-other", By: "bob"})
	must(t, err)
	must(t, lease.Doing(t.Context(), "switch, 3 targets"))
	d.run(t.Context(), "", "apply", "--yes").expect(t, 1, "locked by bob@", "r-other", "switch, 3 targets", "hint: wait for it to end")
	d.run(t.Context(), "", "status").expect(t, 2, "locked by bob@")
	d.run(t.Context(), "", "plan").expect(t, 2, "1 to rotate", "state-locked", "locked by bob@", "what is seen here may be of its making") // looking needs no lock
	d.run(t.Context(), "", "drift", "-o", "markdown").expect(t, 2, "state-locked")
	d.run(t.Context(), "", "unlock").expect(t, 1, "bob@", "doing switch, 3 targets", "looks ALIVE", "nobody to ask", "--yes --fence 1")
	d.run(t.Context(), "", "unlock", "--yes").expect(t, 1, "the holder was alive", "--fence 1")
	d.run(t.Context(), "", "unlock", "--yes", "--fence", "9").expect(t, 1, "the lock's fence is 1, not 9")
	d.run(t.Context(), "no\n", "unlock").expect(t, 1, "not confirmed")
	d.run(t.Context(), "yes\n", "unlock").expect(t, 0, "the lock is removed")
	d.run(t.Context(), "", "unlock").expect(t, 0, "is not locked")
	if lease.Check(t.Context()) == nil {
		t.Error("the other run goes on")
	}
	_ = lease.Release(t.Context())
}
