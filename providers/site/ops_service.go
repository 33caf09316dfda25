package site

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// StopService stops a service and what depends on it, and waits until they are stopped.
type StopService struct {
	Host    string          `json:"-"`
	Service string          `json:"service"`
	Timeout reconciler.Span `json:"timeout"`
	// Dependents run now and are stopped with it, in the order in which they are to be started again.
	Dependents []string `json:"dependents,omitempty"`
	Who
}

func (o StopService) Kind() string                   { return "stop" }
func (o StopService) Target() reconciler.Target      { return Host(o.Host) }
func (o StopService) Key() string                    { return "stop " + o.Service }
func (o StopService) Serves() (what, service string) { return o.Name, o.Service }
func (o StopService) Takes() []string                { return o.Dependents }
func (o StopService) Stops() bool                    { return true }
func (o StopService) Says() reconciler.Phrase        { return o.says("stop" + with(o.Dependents)) }
func (o StopService) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(StopService)
	if !ok || b.Service != o.Service || b.Who != o.Who {
		return nil, errDifferent
	}
	o.Timeout, o.Dependents = max(o.Timeout, b.Timeout), union(o.Dependents, b.Dependents)
	return o, nil
}

// Foresees is what a later run must start again if this one dies after the stop.
func (o StopService) Foresees() []state.Fact {
	if len(o.Dependents) == 0 {
		return nil
	}
	return []state.Fact{{Host: o.Host, Field: dependentsOf(o.Service), Value: strings.Join(o.Dependents, "\n")}}
}

func dependentsOf(service string) string { return "stopped with " + service }

// with names dependents beside a verb.
func with(dependents []string) string {
	if len(dependents) == 0 {
		return ""
	}
	return " with " + strings.Join(dependents, ", ")
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Stopped are the dependents of a service that a stop takes down, and those that an earlier run stopped and never started
// again: lost are the latter. Both are to run after the next start.
func Stopped(h state.History, name, host, service string, s *ServiceSeen) (dependents, lost []string) {
	if s == nil {
		return nil, nil
	}
	dependents = slices.Clone(s.Dependents)
	if noted, ok := h.Fact(name, host, dependentsOf(service)); ok {
		for _, d := range strings.Split(noted, "\n") {
			if !slices.Contains(dependents, d) {
				dependents, lost = append(dependents, d), append(lost, d)
			}
		}
	}
	return dependents, lost
}

// StartService starts a service and these dependents, and waits until they run. Whether it stays so is for ProveProcess:
// waiting here would lengthen the outage.
type StartService struct {
	Host       string          `json:"-"`
	Service    string          `json:"service"`
	Timeout    reconciler.Span `json:"timeout"`
	Dependents []string        `json:"dependents,omitempty"`
	Who
}

func (o StartService) Kind() string                   { return "start" }
func (o StartService) Target() reconciler.Target      { return Host(o.Host) }
func (o StartService) Key() string                    { return "start " + o.Service }
func (o StartService) Serves() (what, service string) { return o.Name, o.Service }
func (o StartService) Takes() []string                { return o.Dependents }
func (o StartService) Stops() bool                    { return false }
func (o StartService) Says() reconciler.Phrase        { return o.says("start" + with(o.Dependents)) }
func (o StartService) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(StartService)
	if !ok || b.Service != o.Service || b.Who != o.Who {
		return nil, errDifferent
	}
	o.Timeout, o.Dependents = max(o.Timeout, b.Timeout), union(o.Dependents, b.Dependents)
	return o, nil
}

// ProveProcess demands that a service runs, in a process that started after the file was last changed: what it read at
// its start is what the file says.
type ProveProcess struct {
	Host    string `json:"-"`
	Service string `json:"service"`
	Path    string `json:"path"`
	// Stable is how long the process must have run.
	Stable reconciler.Span `json:"stable"`
	// Known: the look has shown that the process has read the content that is declared. It is enough then that the process is there
	// still: that the content is, another proof says.
	Known bool `json:"known,omitempty"`
	Who
}

func (o ProveProcess) Kind() string                   { return "prove-process" }
func (o ProveProcess) Target() reconciler.Target      { return Host(o.Host) }
func (o ProveProcess) Key() string                    { return "prove process " + o.Service + " " + o.Path }
func (o ProveProcess) Serves() (what, service string) { return o.Name, o.Service }
func (o ProveProcess) Says() reconciler.Phrase {
	return o.says("a process younger than its " + baseName(o.Path) + " on")
}

// Merge of what is known and what is not: somebody restarts it.
func (o ProveProcess) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveProcess)
	if !ok {
		return same(o, other)
	}
	o.Known = o.Known && b.Known
	b.Known = o.Known
	return same(o, b)
}

// Bounce is a restart, around whatever the host's files need meanwhile.
type Bounce struct {
	Stop  StopService
	Start StartService
	// WasDown: it was not running.
	WasDown bool
	// Alone: a failure stays on its host.
	Alone bool
	// Swaps are the files that it must not run through.
	Swaps []string
	// StopAfter and StartAfter are further constraints, by step id.
	StopAfter, StartAfter []string
}

// Steps are the stop and the start.
func (b Bounce) Steps() []reconciler.Step {
	var stops, starts reconciler.Op = b.Stop, b.Start // once for both steps: a fleet has ten thousand
	stop := reconciler.Step{Phase: reconciler.Switch, Op: stops, Back: reconciler.Way(starts), Alone: b.Alone, WasDown: b.WasDown, After: b.StopAfter}
	start := reconciler.Step{Phase: reconciler.Switch, Op: starts, Back: reconciler.Way(stops), Alone: b.Alone,
		After: append(slices.Clone(b.StartAfter), StepOf(stops))}
	for _, path := range b.Swaps {
		start.After = append(start.After, StepOf(Swap{Host: b.Start.Host, Path: path}), StepOf(Restore{Host: b.Start.Host, Path: path}))
	}
	return []reconciler.Step{stop, start}
}

// Replace is the swap of a staged file, after these services of its host have stopped.
func Replace(s Swap, alone bool, stopped ...string) reconciler.Step {
	step := reconciler.Step{Phase: reconciler.Switch, Op: s, Back: reconciler.Way(Restore(s)), Alone: alone}
	for _, service := range stopped {
		step.After = append(step.After, StepOf(StopService{Host: s.Host, Service: service}))
	}
	return step
}

// LeftBehind are what will take an old value out of a file, and out of the backup that is made of it, on a host that this run does not
// come to.
func LeftBehind(s Swap) []reconciler.Step {
	return []reconciler.Step{Replace(s, true), {Phase: reconciler.Retire, Alone: true, Back: reconciler.Nothing(), Op: Discard{Host: s.Host, Path: s.Path, Staged: true, Backup: true}}}
}

// StepOf names the step of the switch with this op, for Step.After.
func StepOf(op reconciler.Op) string { return reconciler.StepID(reconciler.Switch, op) }

var errDifferent = fmt.Errorf("two rotations want it done differently")
