package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// signature is the file beside the marker with the name of the run that changed the deployment last.
func signature(marker string) string { return marker + ".last" }

// signs is the marker's code for the file beside it: one line to the host, and the same compare-and-swap.
func (m *marker) signs() *marker { return &marker{m.site, m.host, signature(m.path)} }

// lastOf says whose name a file has, and whether that can be believed.
func (m *marker) lastOf(file winhost.Result, err error) present {
	path := signature(m.path)
	if err != nil || file.File == nil {
		err = known(err, "no answer")
		return present{there: true, err: err, holder: state.Holder{Damaged: path + " cannot be looked at: " + err.Error()}}
	}
	f := file.File
	if !f.Exists {
		return present{}
	}
	p := present{there: true, sha: f.SHA256}
	err = json.Unmarshal(f.Content.Expose(), &p.holder)
	p.holder.Damaged, p.holder.Ended, p.holder.Silent = "", false, false // those are for us to say
	if err != nil || p.holder.Run == "" {
		p.holder = state.Holder{Damaged: fmt.Sprintf("%s, %d bytes, is no name of a run", path, f.Size)}
	}
	return p
}

// last reads the name.
func (c line) last(ctx context.Context, m *marker) (present, error) {
	op := winhost.FileRead{Path: c.path, Most: markerSize}
	results, err := c.ask(ctx, op)
	if err != nil {
		return present{}, err
	}
	return m.lastOf(results[0], results[0].Err(op)), nil
}

// Sign writes the holder's name, over the marker's own line: it starts no process there. Who holds the marker is alone: a name that
// changes meanwhile is a lost answer of our own.
func (m *marker) Sign(ctx context.Context, holder state.Holder) error {
	m.site.mu.Lock()
	lease := m.site.marked
	m.site.mu.Unlock()
	answer := make(chan error, 1)
	select {
	case lease.work <- func() { answer <- line{m.signs(), lease.conn, markerFirst}.sign(ctx, m, holder) }:
	case <-lease.done:
		return lease.Check(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-answer
}

func (c line) sign(ctx context.Context, m *marker, holder state.Holder) error {
	content, _ := json.MarshalIndent(struct {
		Run     string    `json:"run"`
		By      string    `json:"by"`
		Host    string    `json:"host"`
		Commit  string    `json:"commit,omitempty"`
		Started time.Time `json:"started"`
	}{holder.Run, holder.By, holder.Host, holder.Commit, holder.Started}, "", "  ") // of texts and a time
	err := c.insists(ctx, m.site.config.Patience, func() (refused, err error) {
		for range markerTries {
			p, err := c.last(ctx, m)
			if err != nil || p.holder.Run == holder.Run || p.err != nil {
				return p.err, err
			}
			if won, wrong, err := c.put(ctx, p.sha, append(content, '\n')); won || wrong != nil || err != nil {
				return wrong, err
			}
		}
		return errors.New("others write it at the same time"), nil
	})
	if err != nil {
		return reconciler.Hinted(fmt.Errorf("%s: the name of this run cannot be written to %s: %w", m.host, c.path, err),
			"it tells operators with other states that this run changed the deployment last: see that its folder is there and can be written, or name another as state.marker")
	}
	return nil
}

// Signed returns the name that stands there.
func (m *marker) Signed(ctx context.Context) (state.Holder, bool, error) {
	c := m.signs().dial()
	defer c.hangUp(ctx)
	var p present
	err := c.insists(ctx, lookPatience, func() (_, err error) {
		p, err = c.last(ctx, m)
		return nil, err
	})
	if err != nil {
		return state.Holder{}, false, fmt.Errorf("look at %s on %s: %w", c.path, m.host, err)
	}
	return p.holder, p.there, nil
}

// Forget removes the name.
func (m *marker) Forget(ctx context.Context) error {
	c := m.signs().dial()
	defer c.hangUp(ctx)
	err := c.insists(ctx, lookPatience, func() (refused, err error) {
		p, err := c.last(ctx, m)
		if err != nil || !p.there || p.err != nil {
			return p.err, err
		}
		gone, wrong, err := c.remove(ctx, p.sha)
		if err == nil && wrong == nil && !gone {
			wrong = errors.New("another run has written it meanwhile")
		}
		return wrong, err
	})
	if err != nil {
		return fmt.Errorf("remove %s on %s: %w", c.path, m.host, err)
	}
	return nil
}
