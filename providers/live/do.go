package live

import (
	"context"
	"fmt"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// stableStart is how long a started service is watched by its start, in seconds: enough to see one die of an empty key,
// and less than it takes any to be ready.
const stableStart = 1

// do runs a batch. When the connection is lost in the middle of it, the batch is tried once more over a new one: every
// op looks before it acts, so one that was done already answers that it is unchanged.
func (h *host) do(ctx context.Context, steps []reconciler.Step) []reconciler.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	ops, counts, err := h.ops(ctx, steps)
	if err != nil {
		return failed(fmt.Errorf("%s: %w", h.name, err))
	}
	began := h.site.config.Now()
	var results []winhost.Result
	if len(ops) > 0 {
		results, err = h.ask(ctx, ops, false)
	}
	if err != nil && lost(err).Outcome == state.Unknown && ctx.Err() == nil {
		results, err = h.ask(ctx, ops, false)
	}
	if err != nil {
		return []reconciler.Report{lost(err)}
	}
	ended := h.site.config.Now()
	var reports []reconciler.Report
	for i, s := range steps {
		n := counts[i]
		report := h.report(ctx, s, ops[:n], results[:n], began, ended)
		ops, results = ops[n:], results[n:]
		reports = append(reports, report)
		if report.Outcome != state.Done {
			break
		}
	}
	return reports
}

// ops turns steps into ops; counts says how many each step became.
func (h *host) ops(ctx context.Context, steps []reconciler.Step) (ops []winhost.Op, counts []int, err error) {
	for _, s := range steps {
		some, err := h.opsOf(ctx, s.Op)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		ops, counts = append(ops, some...), append(counts, len(some))
	}
	return ops, counts, nil
}

func (h *host) opsOf(ctx context.Context, op reconciler.Op) ([]winhost.Op, error) {
	switch op := op.(type) {
	case site.StageSettings:
		content, err := h.edited(ctx, op)
		if err != nil {
			return nil, err
		}
		return h.stage(op.Path, op.Base, content)
	case site.StageFile:
		content, err := h.site.values.value(ctx, op.Secret)
		if err != nil {
			return nil, err
		}
		return h.stage(op.Path, op.Base, content)
	case site.Swap:
		f := h.files[op.Path]
		if f == nil || f.staged == "" {
			return nil, fmt.Errorf("nothing was staged for %s", op.Path)
		}
		return one(winhost.FileSwap{Path: op.Path, Expect: f.base, Staged: f.staged})
	case site.Restore:
		return h.restore(op)
	case site.Discard:
		var ops []winhost.Op
		if op.Staged {
			ops = append(ops, winhost.FileDiscard{Path: op.Path, Which: winhost.Staged})
		}
		if op.Backup {
			ops = append(ops, winhost.FileDiscard{Path: op.Path, Which: winhost.Backup})
		}
		return ops, nil
	case site.StopService:
		return one(winhost.ServiceStop{Service: op.Service, TimeoutSeconds: seconds(op.Timeout)})
	case site.StartService:
		return one(winhost.ServiceStart{Service: op.Service, TimeoutSeconds: seconds(op.Timeout), StableSeconds: stableStart,
			Dependents: h.dependents[op.Service]})
	case site.ProveFile:
		return one(winhost.FileRead{Path: op.Path, HashOnly: true})
	case site.ProveSetting:
		return []winhost.Op{winhost.FileRead{Path: op.Path}, winhost.FileRead{Path: layered(op.Path, production)},
			winhost.EnvironmentRead{Service: op.Service, Keys: []string{op.Setting}}, winhost.ServiceQuery{Service: op.Service}}, nil
	case site.ProveProcess:
		return []winhost.Op{winhost.ServiceQuery{Service: op.Service}, winhost.FileRead{Path: op.Path, HashOnly: true}, winhost.MachineIdentity{}}, nil
	}
	return nil, fmt.Errorf("a host cannot do %T", op)
}

func one(op winhost.Op) ([]winhost.Op, error) { return []winhost.Op{op}, nil }

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// edited is the settings file as it was seen, with the edits.
func (h *host) edited(ctx context.Context, op site.StageSettings) (secret.Value, error) {
	f := h.files[op.Path]
	if f == nil || f.content.IsZero() || f.base != op.Base {
		return secret.Value{}, fmt.Errorf("%s was not read in this run", op.Path)
	}
	var edits []appsettings.Edit
	for _, e := range op.Edits {
		v, err := h.site.values.value(ctx, e.Secret)
		if err != nil {
			return secret.Value{}, err
		}
		edits = append(edits, appsettings.Edit{Key: e.Setting, Value: v})
	}
	content, err := appsettings.SetAll(f.content.Expose(), edits)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", op.Path, err)
	}
	return secret.New(content), nil
}

func (h *host) stage(path, base string, content secret.Value) ([]winhost.Op, error) {
	f := h.files[path]
	if f == nil {
		f = &file{base: base}
		h.files[path] = f
	}
	f.staged = hash(content.Expose())
	return one(winhost.FileStage{Path: path, Expect: base, Content: content})
}

// restore undoes a swap, also one that brought a file where there was none; where the swap did not happen, the host answers that nothing is to be done.
func (h *host) restore(op site.Restore) ([]winhost.Op, error) {
	f := h.files[op.Path]
	if f == nil || f.staged == "" {
		return nil, fmt.Errorf("nothing was staged for %s", op.Path)
	}
	return one(winhost.FileRestore{Path: op.Path, Expect: f.staged, Backup: f.base})
}

// report says what the results mean for a step.
func (h *host) report(ctx context.Context, s reconciler.Step, ops []winhost.Op, results []winhost.Result, began, ended time.Time) reconciler.Report {
	for i, r := range results {
		if err := r.Err(ops[i]); err != nil {
			outcome := state.Failed
			if r.Code == winhost.Skipped {
				outcome = "" // the op before it failed, and was reported
			}
			return reconciler.Report{Outcome: outcome, Err: fmt.Errorf("%s: %w", h.name, explain(err)), Down: h.down(s.Op, began)}
		}
	}
	switch op := s.Op.(type) {
	case site.StopService:
		h.dependents[op.Service] = results[0].Service.Dependents
		r := done(fmt.Sprintf("stopped in %.1f s", results[0].Service.Took().Seconds()))
		if results[0].Code != winhost.Unchanged {
			r.Down = h.down(op, began)
		}
		return r
	case site.StartService:
		return reconciler.Report{Outcome: state.Done, Evidence: fmt.Sprintf("running, process %d", results[0].Service.PID),
			Up: map[string]time.Time{op.Name: ended}}
	case site.ProveFile:
		return h.proveFile(ctx, op, results[0].File)
	case site.ProveSetting:
		return h.proveSetting(ctx, op, results)
	case site.ProveProcess:
		return h.proveProcess(ctx, op, results)
	}
	return done("")
}

func (h *host) down(op reconciler.Op, at time.Time) map[string]time.Time {
	if stop, ok := op.(site.StopService); ok {
		return map[string]time.Time{stop.Name: at}
	}
	return nil
}
