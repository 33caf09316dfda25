package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/cli"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/file"
)

// world is a deployment in a file: the versions of secrets on hosts, and what is wrong there. Every run of the command
// line reads it and writes it back, so that a script can look at it and change it.
type world struct {
	// Hosts is host → secret → version.
	Hosts map[string]map[string]string `json:"hosts"`
	// Down are hosts that do not answer.
	Down []string `json:"down,omitempty"`
	// Fail is "host/phase" or "host/key" → error text, on the way forward.
	Fail map[string]string `json:"fail,omitempty"`
	// Hang is "host/phase": it waits until the run is interrupted.
	Hang string `json:"hang,omitempty"`

	// FailUndo lets every undo fail; FailRetire gives the plan a last phase that fails on relay-2.
	FailUndo   bool `json:"failUndo,omitempty"`
	FailRetire bool `json:"failRetire,omitempty"`

	path string
	mu   sync.Mutex
	hung chan struct{} // closed when Hang was reached; may be nil
	once sync.Once

	// resume ends a hang in the switch, which no interrupt ends.
	resume chan struct{}
}

func readWorld(path string) (*world, error) {
	w := &world{path: path}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return w, json.Unmarshal(data, w)
}

func (w *world) save() error {
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(w.path, append(data, '\n'), 0o600)
}

// app is a program whose kinds are alpha and beta, on the world beside the document.
func app() cli.App {
	remembered := func(d *specs.Deployment) (state.State, error) {
		return openState(filepath.Join(d.Origin.Dir, d.State.Dir))
	}
	return cli.App{
		Version: "v0.0.0-test",
		Kinds:   []reconciler.Kind{kind("alpha"), kind("beta")},
		Open: func(ctx context.Context, d *specs.Deployment, need cli.Need) (*cli.Live, error) {
			w, err := readWorld(filepath.Join(d.Origin.Dir, "world.json"))
			if err != nil {
				return nil, err
			}
			s, err := remembered(d)
			if err == nil && need.Bound {
				_, err = s.Salt.Salt(ctx)
			}
			return &cli.Live{Site: w, State: s}, err
		},
		OpenState: func(_ context.Context, d *specs.Deployment) (state.State, error) { return remembered(d) },
	}
}

func openState(dir string) (state.State, error) {
	s, err := file.Open(dir)
	return state.State{Ledger: s, Lock: s, Salt: s, Values: s, Records: s}, err
}

// fakeSpec is the declared part of a secret.
type fakeSpec struct {
	Version string `json:"version"`
	Every   specs.Duration
}

func kind(name string) reconciler.Kind {
	return reconciler.Kind{
		Name:    name,
		Section: specs.Section{Key: name, New: func() any { return &fakeSpec{} }},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return []reconciler.Rotation{fake{d, spec.(*fakeSpec), secret.Ref{Name: name, Version: spec.(*fakeSpec).Version}}}, nil
		},
	}
}

// fake rotates one word on every host. That relay-2 does not start is its own trouble.
type fake struct {
	d    *specs.Deployment
	spec *fakeSpec
	ref  secret.Ref
}

func (f fake) Ref() secret.Ref { return f.ref }

func (f fake) Reads() []reconciler.Read {
	var all []reconciler.Read
	for _, h := range f.d.AllHosts() {
		all = append(all, read{h, f.ref.Name})
	}
	return all
}

func (f fake) Plan(in reconciler.Input) reconciler.Change {
	c := reconciler.Change{Secret: f.ref, Title: f.ref.Name + " word", Status: reconciler.AsDeclared, Before: f.ref.Version, Reason: "every host has it"}
	c.Due, _ = in.History.Due(f.ref.Name, f.spec.Every.Of())
	var todo []string
	for _, h := range f.d.AllHosts() {
		seen, ok := in.Seen.Of(read{h, f.ref.Name})
		switch {
		case !ok:
			c.Findings = append(c.Findings, reconciler.Finding{Severity: reconciler.Error, Code: "host-unreachable",
				Text: h + " cannot be reached", Hosts: []string{h}, Hint: "bring it back"})
		case seen.(word).says != f.ref.Version:
			todo = append(todo, h)
			c.Before = seen.(word).says
		}
	}
	switch {
	case len(c.Findings) > 0 && len(todo) == 0:
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
	case len(c.Findings) > 0:
		c.Status, c.Reason = reconciler.Refused, fmt.Sprintf("%d hosts have another word", len(todo))
	case len(todo) > 0:
		c.Status, c.Reason = reconciler.Rotate, fmt.Sprintf("%d hosts have another word", len(todo))
		f.steps(&c, todo)
	default:
		if _, pending := in.History.Pending(f.ref.Name, f.ref.Version); pending {
			c.Status, c.Reason = reconciler.Rotate, "an earlier run ended before the proof"
			c.Rounds = []reconciler.Round{{Steps: f.proofs(f.d.AllHosts())}}
			if f.byHand() != nil {
				c.Reason, c.Rounds = "its source does not have it yet", f.byHand()
			}
		}
	}
	return c
}

// byHand is the round in which a person tells the source of a version that begins with hand-.
func (f fake) byHand() []reconciler.Round {
	if !strings.HasPrefix(f.spec.Version, "hand-") {
		return nil
	}
	o := reconciler.ByHand{Secret: f.ref, What: "tells its source the new word"}
	return []reconciler.Round{{Steps: []reconciler.Step{{Phase: reconciler.Verify, Op: o, Back: reconciler.Never("it is live")}}}}
}

func (f fake) proofs(hosts []string) (steps []reconciler.Step) {
	for _, h := range hosts {
		steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Back: reconciler.Nothing(),
			Op: op{Host: h, Does: "prove " + f.ref.Name, Secret: f.ref.Name, Say: reconciler.Phrase{Do: "the new word on", Who: h, Noun: "host"}}})
	}
	return steps
}

func (f fake) steps(c *reconciler.Change, todo []string) {
	var steps []reconciler.Step
	word, noWay := f.ref.Name, strings.HasPrefix(f.spec.Version, "dead-")
	for _, h := range todo {
		do := func(key, says, to string) op {
			return op{Host: h, Does: key, Secret: word, To: to, Say: reconciler.Phrase{Do: says, Who: h, Noun: "host"}}
		}
		id := func(o op) string { return reconciler.StepID(reconciler.Switch, o) }
		stop, start := do("stop service", "stop", ""), do("start service", "start", "")
		swap, restore := do("swap "+word, "replace the word", f.ref.Version), do("restore "+word, "put the word back", c.Before)
		swapped := reconciler.Step{Phase: reconciler.Switch, Op: swapOp{swap}, Back: reconciler.Way(restore), After: []string{id(stop)}}
		if noWay {
			swapped.Back = reconciler.Never("the old word is dead")
		}
		steps = append(steps,
			reconciler.Step{Phase: reconciler.Prepare, Op: do("stage "+word, "stage on", ""), Back: reconciler.Nothing()},
			reconciler.Step{Phase: reconciler.Switch, Op: stop, Back: reconciler.Way(start)},
			swapped,
			reconciler.Step{Phase: reconciler.Switch, Op: start, Back: reconciler.Way(stop), After: []string{id(swap), id(restore)}, Alone: strings.HasPrefix(h, "relay-2")},
			reconciler.Step{Phase: reconciler.Retire, Op: do("discard "+word, "forget the old word", ""), Back: reconciler.Nothing(), Alone: true})
	}
	c.Rounds = append([]reconciler.Round{{Steps: append(steps, f.proofs(todo)...)}}, f.byHand()...)
	c.Outages = []state.Outage{{What: "service", Predicted: 2, Members: todo}}
}

type read struct{ host, secret string }

func (r read) Target() reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: r.host}
}
func (r read) Key() string { return r.secret }

// word is what a host says for a secret.
type word struct{ secret, says string }

func (w word) Facts() []reconciler.Fact {
	return []reconciler.Fact{{Field: w.secret + " word", Value: w.says}}
}

// op is one change to a host.
type op struct {
	Host   string `json:"host"`
	Does   string `json:"does"`
	Secret string `json:"secret,omitempty"`
	To     string `json:"to,omitempty"`

	Say reconciler.Phrase `json:"-"`
}

func (o op) Kind() string {
	verb, _, _ := strings.Cut(o.Does, " ")
	return verb
}

func (o op) Says() reconciler.Phrase { return o.Say }

// swapOp is an op that makes the word live.
type swapOp struct{ op }

func (f swapOp) Holds() string                              { return "the word " + f.Secret }
func (f swapOp) Swaps() string                              { return f.Secret }
func (f swapOp) Merge(reconciler.Op) (reconciler.Op, error) { return f, nil }

func (o op) Target() reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: o.Host}
}
func (o op) Key() string                                { return o.Does }
func (o op) Merge(reconciler.Op) (reconciler.Op, error) { return o, nil }

// Look reads words.
func (w *world) Marker() reconciler.Marker { return nil }

func (w *world) Running(context.Context, []reconciler.Down) reconciler.Report {
	return reconciler.Report{}
}
func (w *world) Worked(context.Context) reconciler.Report { return reconciler.Report{} }
func (w *world) Enter(context.Context, reconciler.Target, reconciler.Phase) (func(error), error) {
	return func(error) {}, nil
}
func (w *world) Fallen(context.Context) reconciler.Report { return reconciler.Report{} }

func (w *world) Look(ctx context.Context, reads []reconciler.Read, tell func(reconciler.Event)) reconciler.Seen {
	seen := reconciler.Seen{}
	for _, r := range reads {
		t := r.Target()
		if slices.Contains(w.Down, t.Name) {
			seen[t] = reconciler.Look{Reach: reconciler.Unreachable, Err: fmt.Errorf("%s: dial: connection refused", t.Name)}
			continue
		}
		l, ok := seen[t]
		if !ok {
			l = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
		}
		l.Results[r.Key()] = word{r.Key(), w.Hosts[t.Name][r.Key()]}
		seen[t] = l
	}
	tell(reconciler.Event{Kind: reconciler.LookBegan, Total: len(seen), Time: time.Now()})
	for t := range seen {
		tell(reconciler.Event{Kind: reconciler.Looked, Target: t.Name, Err: seen[t].Err, Time: time.Now()})
	}
	if w.Hang == "look" {
		w.wait(ctx)
	}
	return seen
}

// Do changes words.
func (w *world) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	reports := make([]reconciler.Report, len(steps))
	for i, s := range steps {
		at := t.Name + "/" + s.Phase.String()
		if w.Hang == at {
			w.wait(ctx)
		}
		text := w.Fail[at]
		if text == "" {
			text = w.Fail[t.Name+"/"+s.Op.Key()]
		}
		if text != "" && !s.Undoes() {
			reports[i] = reconciler.Report{Outcome: state.Failed, Err: errors.New(t.Name + ": " + text)}
			break
		}
		o, ok := s.Op.(op)
		if !ok {
			o = s.Op.(swapOp).op
		}
		if w.FailUndo && strings.HasPrefix(o.Does, "restore ") || w.FailRetire && t.Name == "relay-2.example" && s.Phase == reconciler.Retire {
			reports[i] = reconciler.Report{Outcome: state.Failed, Err: fmt.Errorf("%s: %s: disk full", t.Name, o.Does)}
			break
		}
		reports[i] = w.do(o)
	}
	return reports
}

func (w *world) do(o op) reconciler.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := reconciler.Report{Outcome: state.Done}
	switch o.Does {
	case "stop service":
		r.Down = map[string]time.Time{o.Host: time.Now()}
	case "start service":
		r.Up = map[string]time.Time{o.Host: time.Now()}
	case "prove " + o.Secret:
		r.Evidence = o.Host + " says " + w.Hosts[o.Host][o.Secret]
	}
	if o.To != "" {
		w.Hosts[o.Host][o.Secret] = o.To
		if err := w.save(); err != nil {
			return reconciler.Report{Outcome: state.Unknown, Err: err}
		}
	}
	return r
}

func (w *world) wait(ctx context.Context) {
	if w.hung != nil {
		w.once.Do(func() { close(w.hung) })
	}
	if ctx.Done() == nil {
		<-w.resume
	} else {
		<-ctx.Done()
	}
}

func (w *world) Close(context.Context) {}
