package providers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/rotations/connector"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// ahead is a product whose last time of a change is ahead of the server's clock.
func ahead(by string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.statement("UPDATE dbo.IM_Secrets SET UpdatedOn = DATEADD(%s, SYSUTCDATETIME())", by)
		if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 2 {
			t.Errorf("%v", o)
		}
	}
}

// failsForAll is a tool with which nothing is set.
func failsForAll(cli lab.CLI) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.lab.SetCLI(cli)
		_, o := w.run()
		if o.Err == nil || len(o.With(state.Back)) != 2 {
			t.Errorf("%v", o)
		}
		w.lab.SetCLI(lab.CLI{Stdin: true})
		w.connectsAfter()
	}
}

func (w *world) connectorSpec() *connector.Spec { return w.doc.Secrets["connectors"].(*connector.Spec) }

// connectsAfter demands that the next run ends well, that the one after it has nothing to do, and that the new secrets work.
func (w *world) connectsAfter() {
	w.t.Helper()
	p, o := w.run()
	if o.Err != nil || len(p.Blocked()) > 0 {
		w.t.Errorf("the next run did not converge: %v, %+v", o, p.Blocked())
	}
	if again := w.planned(); !again.Empty() || len(again.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(again.Steps()), again.Changes)
	}
	if err := w.connects(lab.NewConnector); err != nil {
		w.t.Error(err)
	}
	rotationtest.Search(w.t, w.secrets(), w.said())
}

// planned is the present plan.
func (w *world) planned() *reconciler.Plan {
	w.t.Helper()
	s := w.process()
	defer s.close()
	return s.look().Plan
}

// statement changes something behind the product's back.
func (w *world) statement(format string, args ...any) {
	w.lab.SQLInstance().Ask(lab.Database, fmt.Sprintf(format, args...))
}

// What may become of connectors' secrets on their way, and what is said and left.
func TestSituationsOfConnectors(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, w *world)
	}{
		{"a tool that lies", "an exit code of 0 proves nothing", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{Stdin: true, Lies: true, Only: w.lab.Refs()[:1]})
			_, o := w.run()
			says(t, o.Err, w.lab.Refs()[0], "before the push")
			if n := len(o.With(state.Proven)); n != 1 {
				t.Errorf("the other one is proven for itself: %v", o)
			}
			w.lab.SetCLI(lab.CLI{Stdin: true})
			w.connectsAfter()
		}},
		{"a tool that fails for one", "what was set is proven, the rest is as it was, and the next run finishes", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{Stdin: true, Fails: true, Only: w.lab.Refs()[1:2]})
			_, o := w.run()
			says(t, o.Err, "exit code 1", w.lab.Refs()[1])
			w.lab.SetCLI(lab.CLI{Stdin: true})
			w.connectsAfter()
		}},
		{"a tool that fails for all", "the time of the last change shows that nothing was set", failsForAll(lab.CLI{Stdin: true, Fails: true})},
		{"a tool that lies about all", "the same", failsForAll(lab.CLI{Stdin: true, Lies: true})},
		{"a tool that fails for all, and nothing is known of what was there", "the same", func(t *testing.T, w *world) {
			w.moved(t)
			w.forget()
			failsForAll(lab.CLI{Stdin: true, Fails: true})(t, w)
		}},
		{"a tool that writes the value", "its output stays on the host", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{Stdin: true, Echoes: true})
			w.connectsAfter()
		}},
		{"a tool that hangs", "it is ended, and the run says so", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{Stdin: true, Takes: time.Hour})
			_, o := w.run()
			says(t, o.Err, "timeout", w.lab.Refs()[0])
			w.lab.SetCLI(lab.CLI{Stdin: true})
			w.connectsAfter()
		}},
		{"a tool that takes its time", "each may take the declared time", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{Stdin: true, Takes: 20 * time.Second})
			w.connectsAfter()
		}},
		{"no tool", "the plan says so", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{Missing: true})
			w.refused("tool-missing", "secretscli.exe", "im-engine")
		}},
		{"a tool without standard input", "a value stands on a command line only where the document permits it", func(t *testing.T, w *world) {
			w.lab.SetCLI(lab.CLI{})
			w.refused("argv-refused", "4688")
			w.connectorSpec().Argv = "permitted"
			p := w.planned()
			if f, ok := finding(p, "argv-exposed"); !ok || !strings.Contains(f.Text, "4688") || len(p.Blocked()) > 0 {
				t.Errorf("%+v", p.Changes)
			}
		}},
		{"no right to read the tables", "the plan says which it needs", func(t *testing.T, w *world) {
			w.statement("DENY SELECT ON OBJECT::dbo.IM_Secrets TO %s", lab.User)
			w.refused("secrets-unreadable", "IM_Secrets")
		}},
		{"other tables", "the plan says so", func(t *testing.T, w *world) {
			w.connectorSpec().Tables.Secrets = "im.Vault"
			w.refused("secrets-unreadable", "Vault")
		}},
		{"the database is down", "the plan says so", func(t *testing.T, w *world) {
			w.lab.SQLInstance().Down(true)
			w.refused("sql-unreachable", lab.SQLServer)
			w.lab.SQLInstance().Down(false)
			time.Sleep(2 * time.Minute) // until the pools ask again
			w.connectsAfter()
		}},
		{"the Engine host is away", "nothing is set from anywhere else", func(t *testing.T, w *world) {
			w.lab.EngineHost.Unplug(true)
			w.refused("host-failed", "im-engine")
		}},
		{"orphans in both directions", "declared and not stored, stored and not declared", func(t *testing.T, w *world) {
			w.connectsAfter()
			w.statement("DELETE dbo.IM_Secrets WHERE SecretRef = N'%s'", w.lab.Refs()[0])
			p := w.planned()
			if f, ok := finding(p, "connector-undeclared"); !ok || !strings.Contains(f.Text, "secret://hr/old/sftp") {
				t.Errorf("%+v", p.Changes)
			}
			if f, ok := finding(p, "connector-missing"); !ok || !strings.Contains(f.Text, w.lab.Refs()[0]) || p.Count(reconciler.Rotate) != 1 {
				t.Errorf("%+v", p.Changes)
			}
			w.connectsAfter()
		}},
		{"set by somebody else", "the ledger knows when a run set it last", func(t *testing.T, w *world) {
			w.connectsAfter()
			if _, ok := finding(w.planned(), "connector-set-elsewhere"); ok {
				t.Error("nobody did")
			}
			w.statement("UPDATE dbo.IM_Secrets SET UpdatedOn = SYSUTCDATETIME() WHERE SecretRef = N'%s'", w.lab.Refs()[0])
			p := w.planned()
			if f, ok := finding(p, "connector-set-elsewhere"); !ok || !strings.Contains(f.Text, w.lab.Refs()[0]) || !p.Empty() {
				t.Errorf("%+v", p.Changes)
			}
		}},
		{"a time that is a minute ahead of the server's clock", "what is stored now has another, after the push", ahead("second, 60")},
		{"a time that is hours ahead, as of a clock in local time", "the same", ahead("hour, 5")},
		{"a source that refuses the new value", "the sync run shows it, and the old value is set again", func(t *testing.T, w *world) {
			ref := w.lab.Refs()[0]
			old, next := w.lab.ConnectorSecrets(ref)
			w.lab.Accept(ref, old)
			_, o := w.run()
			says(t, o.Err, "sync run of ad", "did not succeed")
			if got, _, _ := w.lab.Stored(ref); got != old || len(o.With(state.Back)) != 1 || len(o.With(state.Proven)) != 1 || len(o.With(state.Back)[0].Evidence) == 0 {
				t.Errorf("%v", o)
			}
			w.connectorSpec().Secrets[0].Version = lab.OldConnector // and that is known
			if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
				t.Errorf("%+v", p.Changes)
			} else if _, ok := finding(p, "connector-set-elsewhere"); ok {
				t.Error("it is taken for somebody else's")
			}
			w.connectorSpec().Secrets[0].Version = lab.NewConnector
			w.lab.Accept(ref, next)
			w.connectsAfter()
		}},
		{"no sync run in time", "nothing is called proven", func(t *testing.T, w *world) {
			if err := w.lab.EngineHost.Machine.Stop(lab.EngineService); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if f, ok := finding(w.planned(), "connector-engine-stopped"); !ok || f.Severity != reconciler.Warning || len(f.Hosts) != 1 {
				t.Error("the plan does not say so")
			}
			began := time.Now()
			_, o := w.run()
			says(t, o.Err, "no sync run of")
			if len(o.With(state.Proven)) > 0 || time.Since(began) > 5*time.Minute { // all wait at the same time
				t.Errorf("%v, after %v", o, time.Since(began))
			}
			if err := w.lab.EngineHost.Machine.Start(lab.EngineService); err != nil {
				t.Fatal(err)
			}
			w.connectsAfter()
		}},
		{"a sync run that does not end", "that is what is said of it", func(t *testing.T, w *world) {
			w.do("syncs-running", "im-admin")
			_, o := w.run()
			says(t, o.Err, "the sync run of", "after the push, has not ended within")
			hinted(t, o.Err)
		}},
		{"a wrong letter in the connector's name", "what is stored is not called proven, and it is drift until it is corrected", func(t *testing.T, w *world) {
			w.connectorSpec().Secrets[0].Connector = "adx"
			p, o := w.run()
			if f, ok := finding(p, "connector-unknown"); !ok || f.Severity != reconciler.Warning {
				t.Errorf("%+v", p.Changes)
			}
			for _, e := range o.Secrets {
				if wrong := strings.HasSuffix(e.Change.Secret.Name, w.connectorSpec().Secrets[0].Ref); wrong != (e.Change.Unproven != "") {
					t.Errorf("%s is not proven: %q", e.Change.Secret, e.Change.Unproven)
				}
			}
			if p := w.planned(); !p.Empty() || !render.StatusOf(p, state.NewHistory(nil), 0, "").Drifted {
				t.Errorf("no drift: %+v", p.Changes)
			}
			w.connectorSpec().Secrets[0].Connector = "ad"
			if p := w.planned(); !p.Empty() || render.StatusOf(p, state.NewHistory(nil), 0, "").Drifted {
				t.Errorf("corrected: %+v", p.Changes)
			}
		}},
		{"nothing tells of sync runs", "the plan says what is not proven", func(t *testing.T, w *world) {
			w.connectorSpec().Syncs.Path = ""
			if f, ok := finding(w.planned(), "connector-not-proven"); !ok || f.Severity != reconciler.Warning {
				t.Error("it does not")
			}
			w.connectsAfter()
			entries, err := w.state.Ledger.Entries(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.HasPrefix(e.Secret, "connector:") && e.By != "lab" && e.Outcome == state.Proven && e.Unproven == "" {
					t.Errorf("the ledger has %s as proven: %+v", e.Secret, e)
				}
			}
			w.do("restore", "im-engine") // nothing shows it, and that is said, without being drift
			p := w.planned()
			if f, ok := finding(p, "connector-not-proven"); !ok || f.Severity != reconciler.Warning || !strings.Contains(f.Text, "and not proven: that the stored value opens") || !p.Empty() || render.StatusOf(p, state.NewHistory(nil), 0, "").Drifted {
				t.Errorf("%+v", p.Changes)
			}
		}},
		{"the connector is not declared", "it is guessed by the reference, and shown", func(t *testing.T, w *world) {
			for i := range w.connectorSpec().Secrets {
				w.connectorSpec().Secrets[i].Connector = ""
			}
			if f, ok := finding(w.planned(), "connector-guessed"); !ok || !strings.Contains(f.Text, "ad") {
				t.Error("it is not")
			}
			w.connectsAfter()
		}},
		{"the source is changed after", "the run pauses, and a later one goes on waiting without setting anything again", sourceAfter},
		{"the source is changed after, and nothing shows it", "the run waits for a person's word, and for no other", sourceConfirmed},
		{"a login shows it", "refused, unknown and taken are three answers", sourceLogin("before")},
		{"a login shows what a person has done", "the run pauses while it is refused", sourceLogin("after")},
		{"a hook changes the source first", "what it could not change is as it was, and the next run finishes", sourceHooked("before")},
		{"a hook changes the source after", "what it could not change waits for the next run", sourceHooked("after")},
		{"nothing of it is known here", "there is no way back from a push then", func(t *testing.T, w *world) {
			w.moved(t)
			w.forget()
			p := w.planned()
			for _, c := range p.Changes {
				if !strings.Contains(c.Undo, "no way back") || c.Before != "" {
					t.Errorf("%+v", c)
				}
			}
			w.lab.Accept(w.lab.Refs()[0], "another")
			_, o := w.run()
			if len(o.With(state.Ahead)) != 1 || len(o.With(state.Proven)) != 1 {
				t.Errorf("%v", o)
			}
			_, next := w.lab.ConnectorSecrets(w.lab.Refs()[0])
			w.lab.Accept(w.lab.Refs()[0], next)
			w.connectsAfter()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			virtual(t, func(t *testing.T) { c.run(t, newWorld(t, 0, "connector")) })
		})
	}
}

// A value on a command line, where the document permits it, is in the log of process auditing and nowhere else.
func TestPermittedArgument(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		w.lab.SetCLI(lab.CLI{Echoes: true})
		w.connectorSpec().Argv = "permitted"
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		if err := w.connects(lab.NewConnector); err != nil {
			t.Fatal(err)
		}
		_, next := w.lab.ConnectorSecrets(w.lab.Refs()[0])
		seen := false
		w.mu.Lock()
		for text, kind := range w.logged {
			if kind == "4688" && strings.Contains(text, next) {
				seen = true
				delete(w.logged, text)
			}
			if kind == "4688" && strings.Contains(text, "set") {
				delete(w.logged, text)
			}
		}
		w.mu.Unlock()
		if !seen {
			t.Error("the lab's audit log does not hold the argument: it proves nothing")
		}
		rotationtest.Search(t, w.secrets(), w.said())
	})
}

// valueFiles are those with a value on the Engine host's disk.
func (w *world) valueFiles() (all []string) {
	m := w.lab.EngineHost.Machine
	for _, name := range m.FS.Names(`C:\Program Files\IdentityMesh.Service`) {
		if strings.Contains(name, "meshrotate-value") {
			all = append(all, name)
		}
	}
	return all
}

// A value in a file is in no log and on no command line, nobody else can read it, and it is gone when the program has ended.
// Where the process is ended before that, the plan tells of the file, and the next secret that is set takes it away.
func TestValueInAFile(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		w.lab.SetCLI(lab.CLI{File: true, Echoes: true, Takes: 20 * time.Second})
		w.refused("argv-refused", "in a file")
		w.connectorSpec().Value = "file"
		if err := w.lab.EngineHost.Machine.FS.Create(lab.SecretsCLI+".meshrotate-value-1f", []byte("x"), machine.Private); err != nil {
			t.Fatal(err)
		}
		if f, ok := finding(w.planned(), "value-file-left"); !ok || !strings.Contains(f.Text, "1 file ") {
			t.Errorf("the plan does not tell of %q: %+v", w.valueFiles(), f)
		}
		ended := make(chan []string)
		go func() {
			for left := w.valueFiles(); len(left) == 0 || strings.HasSuffix(left[0], "1f"); left = w.valueFiles() {
				time.Sleep(time.Second)
			}
			w.lab.EngineHost.Reboot(time.Minute)
			ended <- w.valueFiles()
		}()
		w.run()
		if left := <-ended; len(left) != 1 {
			t.Fatalf("the host was switched off while the program ran, and left %q", left)
		}
		w.connectsAfter()
		if left := w.valueFiles(); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for text, kind := range w.logged {
			if kind == "4688" && strings.Contains(text, "--value-file") {
				return
			}
		}
		t.Error("the lab's audit log does not hold the call: it proves nothing")
	})
}

// A thousand connectors are one row, one process on the Engine host, and each a line of its own in the ledger.
func TestAThousandConnectors(t *testing.T) {
	const n = 1000
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, Connectors: n}, "connector")
		p := w.planned()
		if p.Count(reconciler.Rotate) != n {
			t.Fatalf("%d to rotate: %+v", p.Count(reconciler.Rotate), p.Blocked())
		}
		for _, f := range []render.Format{render.Text, render.Markdown} {
			var b strings.Builder
			if err := render.Write(&b, render.Style{Format: f}, render.Plan{Plan: p}); err != nil {
				t.Fatal(err)
			}
			if text := b.String(); strings.Count(text, "\n") > 45 || len(text) > 6000 || !strings.Contains(text, "1000 connector secrets") {
				t.Errorf("%s: %d bytes:\n%.4000s", f, len(text), text)
			}
		}
		w.lab.SetCLI(lab.CLI{Stdin: true, Takes: 400 * time.Millisecond}) // more than policy.hostTimeout for all of them
		processes, batches := w.lab.Stats().MostProcesses, 0
		w.lab.Statements(countStored(&batches))
		_, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != n {
			t.Fatalf("%.2000s", o.String())
		}
		if more := w.lab.Stats().MostProcesses - processes; more > 1 {
			t.Errorf("%d processes on one host", more)
		}
		if batches > 4 { // two looks and a proof
			t.Errorf("the tables were read %d times", batches)
		}
		entries, err := w.state.Ledger.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h := state.NewHistory(entries)
		for _, ref := range w.lab.Refs() {
			if v, ok := h.Vouched("connector:" + ref); !ok || v != lab.NewConnector {
				t.Fatalf("%s: %q", ref, v)
			}
		}
		if err := w.connects(lab.NewConnector); err != nil {
			t.Error(err)
		}
		if again := w.planned(); !again.Empty() {
			t.Errorf("a further run plans %d steps", len(again.Steps()))
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("the plan's JSON has %d KB, the ledger %d lines", len(b)>>10, len(entries))
		for _, ref := range w.lab.Refs() {
			w.lab.Accept(ref)
		}
		time.Sleep(time.Hour) // on the virtual clock: sync runs
		p = w.planned()
		var text strings.Builder
		if err := render.Write(&text, render.Style{Format: render.Text}, render.Plan{Plan: p}); err != nil {
			t.Fatal(err)
		}
		if _, ok := finding(p, "connector-syncs-fail"); !ok || strings.Count(text.String(), "\n") > 40 {
			t.Errorf("of a thousand whose sync runs fail:\n%.4000s", text.String())
		}
		rotationtest.Search(t, w.secrets(), w.said())
	})
}

// countStored counts how often the tables of stored secrets are read.
func countStored(n *int) func(sqlserver.Statement) {
	return func(s sqlserver.Statement) {
		if s.Program != "secretscli" && strings.Contains(s.Text, "IM_Connectors") {
			*n++
		}
	}
}
