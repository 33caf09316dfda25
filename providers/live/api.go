package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// api is the Admin API as a target.
type api struct {
	client *adminapi.Client
	poll   time.Duration
	now    func() time.Time
	// names gives the computers' own names, by host.
	names func(hosts []string) map[string]string

	mu sync.Mutex
	// since is what the relay list said before the relays were started: a proof demands a later heartbeat.
	since *baseline
}

// baseline is a relay list at a moment of Admin's clock.
type baseline struct {
	at    time.Time
	beats map[string]time.Time // by lower-case name
}

func (a *api) look(ctx context.Context, reads []reconciler.Read) reconciler.Look {
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	for _, r := range reads {
		var answer reconciler.Result
		var err error
		switch r.(type) {
		case site.Relays:
			answer, err = a.relays(ctx)
		case site.License:
			answer, err = a.license(ctx)
		default:
			err = fmt.Errorf("the Admin API cannot answer %T", r)
		}
		if err != nil {
			look.Reach, look.Err = reconciler.Broken, err
			if adminapi.KindOf(err) == adminapi.Unreachable {
				look.Reach = reconciler.Unreachable
			}
			return look
		}
		look.Results[r.Key()] = answer
	}
	return look
}

func (a *api) relays(ctx context.Context) (*site.RelaysSeen, error) {
	list, err := a.client.Relays(ctx)
	if err != nil {
		return nil, err
	}
	seen := &site.RelaysSeen{Time: list.Answer.ServerTime}
	for _, r := range list.List {
		seen.Relays = append(seen.Relays, site.RelaySeen{Name: r.Name, Connected: r.Connected, Heartbeat: r.LastHeartbeat})
	}
	return seen, nil
}

func (a *api) license(ctx context.Context) (*site.LicenseSeen, error) {
	l, err := a.client.License(ctx)
	if err != nil {
		return nil, err
	}
	return &site.LicenseSeen{Customer: l.CustomerName, Tier: l.Tier, Expires: l.Expires}, nil
}

func (a *api) do(ctx context.Context, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	var reports []reconciler.Report
	for _, s := range steps {
		r := a.one(ctx, s.Op, func(text string) {
			tell(reconciler.Event{Kind: reconciler.Progressed, Phase: s.Phase.String(), Target: site.API.String(), Text: text, Time: a.now()})
		})
		reports = append(reports, r)
		if r.Outcome != state.Done {
			break
		}
	}
	return reports
}

func (a *api) one(ctx context.Context, op reconciler.Op, say func(string)) reconciler.Report {
	switch op := op.(type) {
	case site.AwaitReady:
		return a.awaitReady(ctx, op, say)
	case site.ReloadLicense:
		return a.reload(ctx)
	case site.NoteLicense:
		l, err := a.license(ctx)
		if err != nil {
			return done("what Admin served before is not known")
		}
		return done("Admin served " + l.Facts()[0].Value)
	case site.ProveLicense:
		return a.proveLicense(ctx, op)
	case site.ProveRelays:
		return a.proveRelays(ctx, op, say)
	}
	return failed(fmt.Errorf("the Admin API cannot do %T", op))[0]
}

func (a *api) awaitReady(ctx context.Context, op site.AwaitReady, say func(string)) reconciler.Report {
	say("waiting until Admin is ready")
	ctx, cancel := context.WithTimeout(ctx, op.Timeout)
	defer cancel()
	if _, err := a.client.WaitReady(ctx, a.poll); err != nil {
		return failed(reconciler.Hinted(fmt.Errorf("admin is not ready after %s: %w", op.Timeout, err),
			"look at Admin's log; /health/ready answers 200 only when its database check passes"))[0]
	}
	ready := a.now()
	// Whoever has no right to the list has no proof by heartbeats either, and says so then.
	if b, err := a.baseline(ctx); err == nil {
		a.mu.Lock()
		a.since = b
		a.mu.Unlock()
	}
	return reconciler.Report{Outcome: state.Done, Evidence: "Admin is ready", Up: map[string]time.Time{"Admin": ready}}
}

func (a *api) baseline(ctx context.Context) (*baseline, error) {
	list, err := a.relays(ctx)
	if err != nil {
		return nil, err
	}
	b := &baseline{at: list.Time, beats: map[string]time.Time{}}
	for _, r := range list.Relays {
		b.beats[strings.ToLower(r.Name)] = r.Heartbeat
	}
	return b, nil
}

// licensePatience is how long Admin may take to serve a license that it was asked to reload.
const licensePatience = 15 * time.Second

// reload asks Admin to read its license again. An undo starts Admin just before, and it may not listen yet.
func (a *api) reload(ctx context.Context) reconciler.Report {
	ctx, cancel := context.WithTimeout(ctx, licensePatience)
	defer cancel()
	for {
		err := a.client.ReloadLicense(ctx)
		if err == nil || adminapi.KindOf(err) == adminapi.Lost {
			return done("asked to reload") // whether it did is for the proof to say
		}
		if adminapi.KindOf(err) != adminapi.Unreachable || pause(ctx, a.poll) != nil {
			return failed(err)[0]
		}
	}
}

func (a *api) proveLicense(ctx context.Context, op site.ProveLicense) reconciler.Report {
	ctx, cancel := context.WithTimeout(ctx, licensePatience)
	defer cancel()
	for {
		l, err := a.license(ctx)
		if err == nil && l.Customer == op.Customer && strings.EqualFold(l.Tier, op.Tier) && l.Expires.Equal(op.Expires) {
			return done(fmt.Sprintf("Admin serves %s, %s, until %s", l.Customer, l.Tier, l.Expires.UTC().Format(time.DateOnly)))
		}
		if pause(ctx, a.poll) != nil {
			if err == nil {
				err = fmt.Errorf("admin still serves %s", l.Facts()[0].Value)
			}
			return failed(err)[0]
		}
	}
}

// proveRelays polls until every relay is connected with a heartbeat that no process from before its restart can have
// sent: later than the last one that Admin knew while the relay was stopped, by Admin's own clock.
func (a *api) proveRelays(ctx context.Context, op site.ProveRelays, say func(string)) reconciler.Report {
	if len(op.Relays) == 0 {
		return failed(reconciler.Hinted(errors.New("every relay was left behind: nothing shows that the new key works"),
			"look at what failed on the relays, mend it, and apply again"))[0]
	}
	ctx, cancel := context.WithTimeout(ctx, op.Timeout)
	defer cancel()
	a.mu.Lock()
	since := a.since
	a.mu.Unlock()
	w := waiting{names: a.names(op.Relays), missing: op.Relays, up: map[string]time.Time{}}
	var last error
	for {
		if since == nil {
			since, last = a.baseline(ctx)
		} else if list, err := a.relays(ctx); err != nil {
			last = err
		} else {
			last = nil
			w.check(list, since, a.now())
			say(fmt.Sprintf("%d of %d relays connected", len(w.up), len(op.Relays)))
		}
		if len(w.missing) == 0 {
			return reconciler.Report{Outcome: state.Done, Up: w.up,
				Evidence: plural(len(op.Relays), "relay") + " connected" + heartbeats(len(op.Relays))}
		}
		if pause(ctx, a.poll) != nil {
			return w.failed(op, last)
		}
	}
}

// waiting is the relays that are not proven yet.
type waiting struct {
	names   map[string]string // computers' own names, by host
	missing []string
	up      map[string]time.Time
}

func (w *waiting) check(list *site.RelaysSeen, since *baseline, now time.Time) {
	listed := list.Directory(w.missing, w.names)
	var missing []string
	for _, host := range w.missing {
		r := listed.Of[host]
		if r == nil || r.Connected == nil || !*r.Connected || !r.Heartbeat.After(since.at) || !r.Heartbeat.After(since.beats[strings.ToLower(r.Name)]) {
			missing = append(missing, host)
			continue
		}
		w.up[host] = now
	}
	w.missing = missing
}

func (w *waiting) failed(op site.ProveRelays, last error) reconciler.Report {
	err := fmt.Errorf("%d of %d relays are not connected with a new heartbeat after %s", len(w.missing), len(op.Relays), op.Timeout)
	if last != nil {
		err = fmt.Errorf("%w; the Admin API's last answer: %w", err, last)
	}
	r := failed(reconciler.Hinted(err, "look at the log of a relay that is missing"))[0]
	r.Up = w.up
	if len(w.up) > 0 {
		r.Missing = w.missing
		r.Evidence = fmt.Sprintf("%d of %s connected", len(w.up), plural(len(op.Relays), "relay")) + heartbeats(len(w.up))
	}
	return r
}

func heartbeats(n int) string {
	if n == 1 {
		return ", with a heartbeat after its restart"
	}
	return ", each with a heartbeat after its restart"
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// pause waits, or says that the context is over.
func pause(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err())
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
