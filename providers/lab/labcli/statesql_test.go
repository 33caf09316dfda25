//go:build linux

package labcli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/specs"
	"meshrotate/state"
)

// inSQL puts the state into a database of the lab's SQL Server, with what the folder held.
func (w *world) inSQL(l *lab.Lab) {
	w.t.Helper()
	login, _, ok := l.SQLInstance().LookLogin(lab.User)
	if !ok {
		w.t.Fatal("the lab has no login for meshrotate")
	}
	data := l.SQLInstance().Data()
	data.SetDatabase("rotation", nil)
	data.SetUser("rotation", lab.User, login.SID, "db_owner")
	must(w.t, os.WriteFile(filepath.Join(w.dir, "keys", "state.pem"), l.SQLAuthority(), 0o600))
	_, port, _ := strings.Cut(l.SQLAddress(), ":")
	w.keepIn(l, "sql: {server: 'localhost,"+port+"', database: rotation, user: "+lab.User+", password: {env: IM_LAB_PASSWORD}, caFile: keys/state.pem,\n"+
		"        addresses: {localhost: '"+l.SQLAddress()+"'}}")
}

// keepIn puts the state elsewhere, with what the folder held.
func (w *world) keepIn(l *lab.Lab, where string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "meshrotate.yaml")
	before, err := specs.LoadFile(path, providers.Sections())
	must(w.t, err)
	text, err := os.ReadFile(path)
	must(w.t, err)
	must(w.t, os.WriteFile(path, append(text, "\nstate:\n  "+where+"\n"...), 0o600))
	after, err := specs.LoadFile(path, providers.Sections())
	must(w.t, err)
	from, err := connect.State(before)
	must(w.t, err)
	to, err := connect.OpenState(after, connect.Options{LookupEnv: l.Env})
	must(w.t, err)
	entries, err := from.Ledger.Entries(w.t.Context())
	must(w.t, err)
	must(w.t, to.Ledger.Append(w.t.Context(), entries...))
	for _, folder := range []string{"relaykey", "license"} {
		names, err := from.Values.List(w.t.Context(), folder)
		must(w.t, err)
		for _, name := range names {
			content, err := from.Values.Read(w.t.Context(), name)
			must(w.t, err)
			must(w.t, to.Values.Create(w.t.Context(), name, content))
		}
	}
	must(w.t, os.Rename(filepath.Join(w.dir, ".meshrotate"), filepath.Join(w.dir, "before")))
	w.t.Cleanup(func() { w.export(to) })
}

// export brings what is kept elsewhere into files, where it is searched for secrets: the record, and a folder with the kept
// values.
func (w *world) export(from state.State) {
	ctx := context.Background()
	entries, err := from.Ledger.Entries(ctx)
	must(w.t, err)
	text, err := json.Marshal(entries)
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(w.dir, "record.json"), text, 0o600))
	for _, folder := range []string{"relaykey", "license"} {
		names, err := from.Values.List(ctx, folder)
		must(w.t, err)
		for _, name := range names {
			content, err := from.Values.Read(ctx, name)
			must(w.t, err)
			must(w.t, w.store().Create(ctx, name, content))
		}
	}
}

// settled demands that nothing is left to do, that both rotations are on record as proven, and that the lock is free.
func (w *world) settled() {
	w.t.Helper()
	w.run(0, "plan")
	w.eventually("all relays are connected", w.connected)
	w.run(0, "history").says(w.t, "license", "relaykey", "proven")
	w.run(0, "status")
	w.run(0, "unlock").says(w.t, "is not locked")
	if _, err := os.Stat(filepath.Join(w.dir, ".meshrotate")); err == nil {
		w.t.Error("there is a state folder, too")
	}
}

// TestOneDatabase has two processes apply at the same time: one works, the other says who does. In the switch, who looks is
// told, too.
func TestOneDatabase(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3})
	w.inSQL(l)
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.Admin.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.After {
			once.Do(func() { close(stopped); <-goOn }) // the host's disk is slow
		}
		return machine.Action{}
	})
	both := []*running{w.start("apply", "--yes"), w.start("apply", "--yes")}
	ended := make(chan result, 2)
	for _, r := range both {
		go func() { ended <- r.wait() }()
	}
	<-stopped
	loser := <-ended
	if loser.code != 1 && loser.code != 3 {
		t.Errorf("exit code %d", loser.code)
	}
	loser.says(t, "the deployment is locked by ada@", "nothing was changed", "meshrotate unlock")
	got := w.start("unlock", "--yes", "-o", "json").wait()
	if got.code == 0 {
		t.Errorf("a living run was robbed without its fence: %s", got.out)
	}
	got.says(t, "was alive")
	r := w.start("status", "-o", "json").wait()
	var status struct {
		Lock struct {
			By, Doing string
			Fence     int
		}
	}
	if err := json.Unmarshal([]byte(r.out), &status); err != nil || status.Lock.By != "ada" || status.Lock.Fence != 1 || !strings.Contains(status.Lock.Doing, "switch") {
		t.Errorf("%+v, %v\n%s", status, err, r.err)
	}
	close(goOn)
	if winner := <-ended; winner.code != 0 {
		t.Errorf("exit code %d\n%s\n%s", winner.code, winner.out, winner.err)
	}
	w.settled()
}

// TestOneDatabaseAfterAKill kills a run in the switch: the next one on this machine takes over at once, and finishes.
func TestOneDatabaseAfterAKill(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3})
	w.inSQL(l)
	r := w.start("apply", "--yes", "-o", "json")
	r.reaches(`"phase":"switch"`)
	r.signal(syscall.SIGKILL)
	r.wait()
	w.run(0, "apply", "--yes")
	w.settled()
}

// TestWhatIsDownBehindALock: services are down, and another machine's run has the lock. No apply starts them now, and that is said.
func TestWhatIsDownBehindALock(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 1})
	w.inSQL(l)
	h := l.Host("relay-01")
	w.killedAtAStop(h)
	w.run(2, "plan").says(t, "[still-down]", "apply starts it")
	d, err := specs.LoadFile(filepath.Join(w.dir, "meshrotate.yaml"), providers.Sections())
	must(t, err)
	to, err := connect.OpenState(d, connect.Options{LookupEnv: l.Env})
	must(t, err)
	lease, err := to.Lock.Acquire(t.Context(), state.Holder{Run: "r-other", By: "bob"})
	must(t, err)
	for _, verb := range []string{"plan", "drift", "status"} {
		got := w.run(3, verb)
		got.says(t, "[still-down]", "locked by bob@", "r-other", "an apply is refused now", "`meshrotate unlock`", "has left DOWN")
		if strings.Contains(got.out+got.err, "apply starts it") {
			t.Errorf("%s: %s", verb, got.out)
		}
	}
	must(t, lease.Release(t.Context()))
	w.run(2, "drift").says(t, "[still-down]", "apply starts it")
	w.run(0, "apply", "--yes")
	w.settled()
}

// TestOneDatabaseIsAway takes the database away in the switch, for less and for more than anybody waits for a ledger.
func TestOneDatabaseIsAway(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{5 * time.Second, time.Minute} {
		t.Run(away.String(), func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 3})
			w.inSQL(l)
			back := make(chan struct{})
			var once sync.Once
			l.Host("relay-02").Points(func(p machine.Point) machine.Action {
				if p.Op == "service.stop" && p.When == machine.After {
					once.Do(func() {
						l.SQLInstance().Down(true)
						time.AfterFunc(away, func() { l.SQLInstance().Down(false); close(back) })
					})
				}
				return machine.Action{}
			})
			o := w.outcome(w.start("apply", "--yes", "-o", "json"), 0)
			if !o.OK || len(o.Down) > 0 || len(o.Left) > 0 {
				t.Errorf("%+v", o)
			}
			<-back
			for _, s := range o.Secrets {
				for _, out := range s.Outages {
					if out.Measured > 20 {
						t.Errorf("%s was down for %.1f s", out.What, out.Measured)
					}
				}
			}
			w.settled()
		})
	}
}

// TestAStateForTheAdministrator: who may not make the tables is told where the script is.
func TestAStateForTheAdministrator(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 1})
	w.inSQL(l)
	login, _, _ := l.SQLInstance().LookLogin(lab.User)
	l.SQLInstance().Data().SetDatabase("empty", nil)
	l.SQLInstance().Data().SetUser("empty", lab.User, login.SID)
	w.rewrite("database: rotation", "database: empty")
	plan := w.start("plan").wait()
	plan.says(t, "state-unable", "may not create them", "meshrotate schema --sql=meshrotate")
	if plan.code != 1 || strings.Contains(plan.out, "to apply") {
		t.Errorf("exit code %d: %s", plan.code, plan.out)
	}
	got := w.start("apply", "--yes").wait()
	if got.code != 1 {
		t.Errorf("exit code %d", got.code)
	}
	got.says(t, "meshrotate schema --sql=meshrotate", "CREATE SCHEMA", "nothing was changed")
	w.run(0, "schema", "--sql").says(t, "CREATE TABLE [meshrotate].[ledger]", "DENY UPDATE, DELETE ON [meshrotate].[ledger] TO [meshrotate_runner]")
	w.run(1, "schema", "--sql=a]b").says(t, "no name for a schema")
	w.rewrite("database: empty", "database: rotation")
	w.run(0, "apply", "--yes")
	w.settled()
}
