package providers_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/providers/rotations/connector"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/state"
)

// A person changes the source once the secret was set, and a sync run shows it.
func sourceAfter(t *testing.T, w *world) {
	ref := w.lab.Refs()[0]
	old, next := w.lab.ConnectorSecrets(ref)
	w.connectorSpec().Secrets[0].Source.Changed = "after"
	w.lab.Accept(ref, old)
	if f, ok := finding(w.planned(), "connector-source-after"); !ok || f.Hint == "" {
		t.Error("the person's part is not shown")
	}
	for range 2 {
		_, o := w.run()
		w.waits(o, ref, false)
		if p := w.planned(); p.Count(reconciler.Rotate) != 1 || len(p.Steps()) != 1 || p.Steps()[0].Phase != reconciler.Verify {
			t.Errorf("it does more than wait: %+v", p.Steps())
		}
		if got, _, _ := w.lab.Stored(ref); got != next {
			t.Error("it was taken back")
		}
	}
	w.lab.Accept(ref, next)
	w.connectsAfter()
}

// waits demands that a run has failed nowhere and waits for a person to change a reference's source, to be confirmed or seen.
func (w *world) waits(o reconciler.Outcome, ref string, confirm bool) {
	w.t.Helper()
	ahead := o.With(state.Ahead)
	if o.Err != nil || o.Halted || len(ahead) != 1 || ahead[0].Change.Secret.Name != "connector:"+ref || ahead[0].Waits == nil || ahead[0].Waits.Confirm != confirm ||
		!strings.Contains(ahead[0].Why.Error(), "a person changes the password of ad at its source system to that of version "+lab.NewConnector) {
		w.t.Errorf("it does not wait for a person: %v", o)
	}
}

// Where no sync run can be seen, the pause ends with a person's word, in whatever process, and with nobody else's.
func sourceConfirmed(t *testing.T, w *world) {
	ref := w.lab.Refs()[0]
	old, next := w.lab.ConnectorSecrets(ref)
	w.connectorSpec().Syncs.Path = ""
	w.connectorSpec().Secrets[0].Source.Changed = "after"
	w.lab.Accept(ref, old)
	for range 2 {
		_, o := w.run()
		w.waits(o, ref, true)
	}
	w.confirmed = []string{"connector:" + w.lab.Refs()[1]}
	p := w.process()
	if _, err := p.Apply(t.Context(), session.Unblocked); err == nil || !strings.Contains(err.Error(), "no person's part") {
		t.Errorf("a wrong name: %v", err)
	}
	p.close()
	w.confirmed = []string{"connector:" + ref}
	w.lab.Accept(ref, next)
	_, o := w.run()
	if proven := o.With(state.Proven); o.Err != nil || len(proven) != 1 || !strings.Contains(strings.Join(proven[0].Evidence, " "), "has confirmed") {
		t.Errorf("%v", o)
	}
	w.confirmed = nil
	w.connectsAfter()
}

// Where no sync run can be seen, a login at the source shows that a person has changed it; and that its source takes it where
// somebody has done so before.
func sourceLogin(changed string) func(t *testing.T, w *world) {
	return func(t *testing.T, w *world) {
		ref, spec := w.lab.Refs()[0], w.connectorSpec()
		old, next := w.lab.ConnectorSecrets(ref)
		spec.Syncs.Path, spec.Login = "", connector.Login{Program: os.Args[0], Timeout: specs.MustDuration("1m")} // a program that is there
		spec.Secrets[0].Source = connector.Source{Changed: changed, By: "person", Proof: "login"}
		w.lab.Accept(ref, old)
		code := 2
		w.program = func(_ context.Context, p live.Program) ([]byte, error) {
			if w.lab.Takes(refOf(p), string(p.Input.Expose())) {
				return p.Input.Expose(), nil
			}
			return p.Input.Expose(), &live.EndedError{Code: code, Text: "exit status"}
		}
		_, o := w.run()
		says(t, o.Err, "whether the value is taken is not known", "not shown")
		if !o.Halted {
			t.Errorf("it goes on, and nobody knows: %v", o)
		}
		code = 1
		if _, o = w.run(); changed == "after" {
			w.waits(o, ref, false)
		} else {
			says(t, o.Err, "was refused")
		}
		if got, _, _ := w.lab.Stored(ref); (got == next) != (changed == "after") {
			t.Error("what was refused stays only while a person is waited for")
		}
		w.lab.Accept(ref, next)
		_, o = w.run()
		if proven := o.With(state.Proven); o.Err != nil || len(proven) != 1 || !strings.Contains(strings.Join(proven[0].Evidence, " "), "has signed in with it") {
			t.Errorf("%v", o)
		}
		w.connectsAfter()
	}
}

// The operator's program changes the source, before the secret is set here or after, is cut off anywhere, and run again.
func sourceHooked(changed string) func(t *testing.T, w *world) {
	return func(t *testing.T, w *world) {
		spec := w.connectorSpec()
		spec.Hook = connector.Hook{Program: "/opt/im/at-source", Args: []string{"--quiet"}, Timeout: specs.MustDuration("1m")}
		for i := range spec.Secrets {
			spec.Secrets[i].Source = connector.Source{Changed: changed, By: "hook"}
			old, _ := w.lab.ConnectorSecrets(spec.Secrets[i].Ref)
			w.lab.Accept(spec.Secrets[i].Ref, old)
		}
		if f, ok := finding(w.planned(), "hook-missing"); !ok {
			t.Error("a hook that is not there is no finding")
		} else {
			says(t, errors.New(f.Text), "/opt/im/at-source")
		}
		spec.Hook.Program = os.Args[0] // a program that is there
		fails, calls := w.lab.Refs()[0], map[string]int{}
		var mu sync.Mutex
		w.program = func(_ context.Context, p live.Program) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			ref := refOf(p)
			if calls[ref]++; ref == fails {
				return append([]byte("it wrote "), p.Input.Expose()...), &live.EndedError{Code: 3, Text: "exit status 3"}
			}
			w.lab.Accept(ref, string(p.Input.Expose()))
			return nil, nil
		}
		_, o := w.run()
		says(t, o.Err, "failed", "not shown")
		if len(o.With(state.Proven)) != 1 || calls[fails] != 1 {
			t.Errorf("the other one is finished for itself: %v, %v", o, calls)
		}
		mu.Lock()
		fails = ""
		mu.Unlock()
		w.connectsAfter()
		if first, second := calls[w.lab.Refs()[0]], calls[w.lab.Refs()[1]]; first != 2 || second != 1 {
			t.Errorf("it was run %d and %d times", first, second)
		}
	}
}
