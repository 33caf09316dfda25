package live

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// A batch whose answer was lost may have run to its end. Before it is sent again its host is looked at, so that what it has
// restarted is not restarted once more.

// bounces is what a batch stops and starts, and what it makes live beside that.
type bounces struct {
	services []string
	runs     map[string]bool   // by service: at the end it is to run
	files    map[string]string // SHA-256 by path, "" where there is to be none
}

// bouncesOf is nil for a batch that stops and starts nothing, or changes beside files something that cannot be seen.
func bouncesOf(ops []winhost.Op) *bounces {
	b := bounces{runs: map[string]bool{}, files: map[string]string{}}
	for _, op := range ops {
		switch op := op.(type) {
		case winhost.ServiceStop:
			b.runs[op.Service] = false
		case winhost.ServiceStart:
			b.runs[op.Service] = true
		case winhost.FileSwap:
			b.files[op.Path] = op.Staged
		case winhost.FileRestore:
			b.files[op.Path] = op.Backup
		default:
			if !op.Looks() {
				return nil
			}
		}
	}
	if b.services = slices.Sorted(maps.Keys(b.runs)); len(b.services) == 0 {
		return nil
	}
	return &b
}

// done asks which of its services a batch that was sent then has stopped or started to the end, and for how long they run: their
// process is younger than every file that it made live or, where there is none, than the batch. One that is starting with these
// files is waited for. A host that answers something else has done nothing of it.
func (b *bounces) done(ctx context.Context, on *host, sent time.Time) (map[string]time.Duration, error) {
	ops := []winhost.Op{winhost.MachineIdentity{}}
	if _, err := on.ask(ctx, ops, true); err != nil { // so that the next answer is quick, and tells the host's clock well
		return nil, err
	}
	for _, name := range b.services {
		ops = append(ops, winhost.ServiceQuery{Service: name})
	}
	for path := range b.files {
		ops = append(ops, winhost.FileRead{Path: path, HashOnly: true})
	}
	for {
		asked := on.site.config.Now()
		results, err := on.ask(ctx, ops, true)
		if err != nil || results[0].Machine == nil {
			return nil, err
		}
		done, starting := b.judge(ops, results, sent.Sub(asked))
		if !starting || pause(ctx, time.Second) != nil {
			return done, nil
		}
	}
}

// judge compares with when the batch was sent, before the question, by the host's clock at the latest.
func (b *bounces) judge(ops []winhost.Op, results []winhost.Result, before time.Duration) (done map[string]time.Duration, starting bool) {
	now := results[0].Machine.Now
	sent := now.Add(before)
	services, files := results[1:1+len(b.services)], results[1+len(b.services):]
	live := true
	for i, r := range files {
		want := b.files[ops[1+len(b.services)+i].Object()]
		live = live && r.Done() && r.File != nil && r.File.SHA256 == want
	}
	done = map[string]time.Duration{}
	for i, r := range services {
		if !live || !r.Done() || r.Service == nil {
			continue
		}
		s := r.Service
		starting = starting || s.State == winhost.StartPending
		old := len(files) == 0 && !s.StartedAt.After(sent) || slices.ContainsFunc(files, func(r winhost.Result) bool {
			return s.StartedAt.Before(r.File.Modified) || s.StartedAt.Before(r.File.Changed)
		})
		switch {
		case !b.runs[b.services[i]] && s.State == winhost.Stopped:
			done[b.services[i]] = settled
		case b.runs[b.services[i]] && s.State == winhost.Running && !old:
			done[b.services[i]] = now.Sub(s.StartedAt)
		}
	}
	return done, starting
}

// try sends a batch, which may have been sent at began. Watch says that a second connection may show that it was done.
func (h *host) try(ctx context.Context, ops []winhost.Op, b *bounces, began time.Time, again, watch bool) ([]winhost.Result, error) {
	if b == nil {
		return h.ask(ctx, ops, false)
	}
	var done map[string]time.Duration
	if again {
		var err error
		if done, err = b.done(ctx, h, began); err != nil {
			return nil, err
		}
	}
	if watch {
		var end func()
		ctx, end = b.watched(ctx, h, began)
		defer end()
	}
	return h.askBut(ctx, ops, func(service string) bool { _, is := done[service]; return is && b.runs[service] })
}

// askBut sends a batch without the stops of services that were restarted: these are answered as if there had been nothing to stop.
func (h *host) askBut(ctx context.Context, ops []winhost.Op, restarted func(service string) bool) ([]winhost.Result, error) {
	skips := func(op winhost.Op) bool {
		stop, ok := op.(winhost.ServiceStop)
		return ok && restarted(stop.Service)
	}
	results, err := h.ask(ctx, slices.DeleteFunc(slices.Clone(ops), skips), false)
	if err != nil {
		return nil, err
	}
	return unskipped(results, ops, skips), nil
}

// unskipped has answers for the ops that were not sent, too.
func unskipped(results []winhost.Result, ops []winhost.Op, skips func(winhost.Op) bool) []winhost.Result {
	for i, op := range ops {
		if skips(op) {
			results = slices.Insert(results, i, winhost.Result{Code: winhost.Unchanged, Service: &winhost.Service{Installed: true}})
		}
	}
	return results
}

// A service that others wait for is looked at over a second connection when the batch that stops or starts it is not answered for a
// while: the first one may be dead, and nobody says so, as behind a firewall that has forgotten it. What has run for settled has been
// started to its end.
const (
	firstGlance = 8 * time.Second
	nextGlance  = 4 * time.Second
	settled     = 4 * time.Second
)

var errAnswerLost = errors.New("no answer came, though everything was done")

// awaited says that the steps stop or start a service that is not one of many.
func awaited(steps []reconciler.Step) bool {
	for i := range steps {
		switch op := steps[i].Op.(type) {
		case site.StopService:
			if op.Noun == "" {
				return true
			}
		case site.StartService:
			if op.Noun == "" {
				return true
			}
		}
	}
	return false
}

// watched is a context that ends when a second connection shows that all was done. Call end when the answer is there.
func (b *bounces) watched(ctx context.Context, h *host, sent time.Time) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		second := &host{name: h.name, site: h.site}
		defer second.close(context.WithoutCancel(ctx))
		for wait := firstGlance; pause(ctx, wait) == nil; wait = nextGlance {
			glance, expire := context.WithTimeout(ctx, markerTry)
			done, err := b.done(glance, second, sent)
			expire()
			maps.DeleteFunc(done, func(_ string, age time.Duration) bool { return age < settled })
			if err == nil && len(done) == len(b.services) {
				cancel(errAnswerLost)
				return
			}
		}
	}()
	return ctx, func() { cancel(nil); <-over }
}
