package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// markerLease is a marker that we hold, or held. One goroutine at a time speaks to the host: the one that acquires it,
// then the heartbeat, then the one that releases it.
type markerLease struct {
	line
	holder state.Holder
	beats  int
	live   string // the hash of what we wrote last

	asks chan chan struct{} // for a heartbeat at once
	work chan func()        // for whatever else is to be said to the host over this line
	stop chan struct{}
	once sync.Once
	done chan struct{} // closed when the heartbeat has stopped

	mu      sync.Mutex
	doing   string
	renewed time.Time // by our clock
	lost    *state.LostError
}

// content is the marker's next text: no two are alike, or a swap would not be seen.
func (l *markerLease) content() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats++
	l.holder.Heartbeat, l.holder.Doing = l.site.config.Now().UTC(), l.doing
	text, _ := json.MarshalIndent(struct {
		state.Holder
		Beats int `json:"beats"`
	}{l.holder, l.beats}, "", "  ") // of texts, numbers and times
	return append(text, '\n')
}

// put writes the next content in the place of expect.
func (l *markerLease) put(ctx context.Context, expect string) (won bool, wrong, err error) {
	content := l.content()
	sent := l.site.config.Now()
	won, wrong, err = l.line.put(ctx, expect, content)
	if won {
		l.live = hash(content)
		l.mu.Lock()
		l.renewed = sent.Round(0) // wall time: the other clock stops while a machine sleeps
		l.mu.Unlock()
	}
	return won, wrong, err
}

// take makes the marker. A lost answer may have made it already.
func (l *markerLease) take(ctx context.Context, ours func(run string) bool) (refused, err error) {
	for range markerTries {
		p, err := l.look(ctx)
		switch {
		case err != nil:
			return nil, err
		case !p.there, p.holder.Ended:
		case p.holder.Run == l.holder.Run, p.holder.Run != "" && ours(p.holder.Run):
		default:
			return &state.HeldError{Holder: p.holder, Marker: l.host}, nil
		}
		won, wrong, err := l.put(ctx, p.sha)
		switch {
		case err != nil:
			return nil, err
		case wrong != nil:
			return reconciler.Hinted(fmt.Errorf("%s: the marker %s cannot be made: %w", l.host, l.path, wrong),
				"it shows other operators that a run is at work: see that its folder is there and can be written, or name another as state.marker"), nil
		case won:
			return nil, nil
		}
	}
	return fmt.Errorf("%s: others write the marker %s at the same time", l.host, l.path), nil
}

// withdraw ends an attempt that failed. An answer that was not waited for may have made the marker.
func (l *markerLease) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markerTry)
	defer cancel()
	defer l.hangUp(ctx)
	if l.beats == 0 {
		return
	}
	if p, err := l.look(ctx); err == nil && p.there && p.holder.Run == l.holder.Run {
		_, _, _ = l.remove(ctx, p.sha) // else it goes stale
	}
}

// keep renews the marker until it is lost or given back.
func (l *markerLease) keep(ctx context.Context) {
	defer close(l.done)
	every := time.NewTicker(markerBeat)
	defer every.Stop()
	for {
		var asked []chan struct{}
		select {
		case <-l.stop:
			return
		case do := <-l.work:
			do()
			continue
		case a := <-l.asks:
			asked = append(asked, a)
		case <-every.C:
		}
		l.beat(ctx)
		for more := true; more; { // whoever asked meanwhile has an answer too
			select {
			case a := <-l.asks:
				asked = append(asked, a)
			default:
				more = false
			}
		}
		for _, a := range asked {
			close(a)
		}
		if l.isLost() != nil {
			return
		}
	}
}

// beat renews the marker once. Who is not reached has taken nothing away: the next beat tries again.
func (l *markerLease) beat(ctx context.Context) {
	for range markerTries {
		won, wrong, err := l.put(ctx, l.live)
		if won || wrong != nil || err != nil {
			return
		}
		if !l.stillOurs(ctx) {
			return
		}
	}
}

// stillOurs looks again after a conflict: a heartbeat whose answer was lost is ours too.
func (l *markerLease) stillOurs(ctx context.Context) bool {
	p, err := l.look(ctx)
	if err != nil || p.err != nil {
		return false // not known
	}
	if p.there && p.holder.Run == l.holder.Run {
		l.live = p.sha
		return true
	}
	if p.there && p.holder.Run == unlocking(l.holder.Run) {
		_, _, _ = l.remove(ctx, p.sha) // so whoever took it away knows that this run has seen it
		p = present{}
	}
	lost := &state.LostError{Fence: l.holder.Fence, Holder: p.holder, Marker: l.host}
	if p.there && p.holder.Run == "" {
		lost.Err = errors.New(p.holder.Damaged)
	}
	l.mu.Lock()
	l.lost = lost
	l.mu.Unlock()
	return false
}

func (l *markerLease) isLost() *state.LostError {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Fence is the one that the holder has in its own state.
func (l *markerLease) Fence() uint64 { return l.holder.Fence }

// Check asks nobody while the last heartbeat is young.
func (l *markerLease) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.isLost() == nil && l.overdue() > 0 {
		l.askNow(ctx)
	}
	if lost := l.isLost(); lost != nil {
		return lost
	}
	if age := l.overdue(); age > 0 {
		return &state.LostError{Fence: l.holder.Fence, Marker: l.host, Err: fmt.Errorf("no heartbeat has reached the host for %v", age.Round(time.Second))}
	}
	return nil
}

// Regain is no way to a marker that somebody took away: another state's run may have seen that it was free.
func (l *markerLease) Regain(ctx context.Context) error { return l.Check(ctx) }

// overdue is the age of the last heartbeat when it is too old, else 0.
func (l *markerLease) overdue() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := l.site.config.Now().Round(0).Sub(l.renewed); age > markerOverdue {
		return age
	}
	return 0
}

// Doing records what the holder is at, and renews the marker: so it is looked at before every phase. A host that does not
// answer is not waited for.
func (l *markerLease) Doing(ctx context.Context, what string) error {
	l.mu.Lock()
	l.doing = what
	l.mu.Unlock()
	l.askNow(ctx)
	if lost := l.isLost(); lost != nil {
		return lost
	}
	return nil
}

// askNow waits for a heartbeat, but not for long.
func (l *markerLease) askNow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	answered := make(chan struct{})
	select {
	case l.asks <- answered:
	case <-l.done:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-answered:
	case <-l.done:
	case <-ctx.Done():
	}
}

// abandon ends the heartbeat and leaves the marker, as the end of the process does.
func (l *markerLease) abandon() {
	l.once.Do(func() { close(l.stop) })
	<-l.done
}

// Release removes the marker.
func (l *markerLease) Release(ctx context.Context) error {
	l.abandon()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markerGone+markerTry)
	defer cancel()
	defer l.hangUp(ctx)
	if lost := l.isLost(); lost != nil {
		return lost
	}
	err := l.insists(ctx, markerGone, func() (error, error) {
		for range markerTries {
			gone, wrong, err := l.remove(ctx, l.live)
			if gone || wrong != nil || err != nil {
				return wrong, err
			}
			if !l.stillOurs(ctx) {
				break
			}
		}
		if lost := l.isLost(); lost != nil {
			return lost, nil
		}
		return errors.New("nobody knows whose it is now"), nil
	})
	var lost *state.LostError
	if err == nil || errors.As(err, &lost) {
		return err
	}
	return reconciler.Hinted(fmt.Errorf("the marker %s on %s was not removed: %w", l.path, l.host, err),
		fmt.Sprintf("without a heartbeat it holds for %v; this state's next run takes it over at once, and `meshrotate unlock --marker` removes it", state.MarkerTTL))
}
