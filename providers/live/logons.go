package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// logons is the family of what services log on with.
func logons(f *family) {
	f.reading(looking(func(q *questions, r site.Logon) {
		q.ask(winhost.LogonRead{Service: r.Service, Account: r.Account}, r.Key())
	}, readLogon))
	f.op(doing(func(ctx context.Context, h *host, o site.TryLogon) ([]winhost.Op, error) {
		password, err := h.site.values.value(ctx, o.Secret)
		return []winhost.Op{winhost.LogonTry{Account: o.Account, Password: password}}, err
	}, func(_ context.Context, _ *host, o site.TryLogon, _ deed) reconciler.Report {
		r := done(fmt.Sprintf("%s logs on with version %s on %s", o.Account, o.Secret.Version, crowd(o.Who)))
		r.Facts = []state.Fact{site.LogonAccepted(o.Secret.Version)}
		return r
	}))
	f.op(doing(setLogon, logonSet))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveLogon) ([]winhost.Op, error) {
		return []winhost.Op{winhost.ServiceQuery{Service: o.Service}, winhost.LogonRead{Service: o.Service, Account: o.Account}, winhost.MachineIdentity{}}, nil
	}, proveLogon))
}

func readLogon(_ context.Context, q *questions, r site.Logon) (reconciler.Result, error) {
	res, err := q.result(r.Key())
	var e *winhost.OpError
	if errors.As(err, &e) && e.Code == winhost.NotFound {
		return &site.LogonSeen{Service: r.Service, Account: r.Account}, nil // there is no such service, and another read says so
	}
	if err != nil || res.Logon == nil {
		return nil, known(err, "no logon of service "+r.Service)
	}
	l := res.Logon
	return &site.LogonSeen{Service: r.Service, Account: r.Account, Exists: string(l.Exists), Right: string(l.Right), Locked: string(l.Locked),
		Configured: string(l.Configured), Running: string(l.Running), PasswordSet: l.PasswordSet}, nil
}

func setLogon(ctx context.Context, h *host, o site.SetLogon) ([]winhost.Op, error) {
	var password secret.Value
	if o.Secret.Name != "" {
		var err error
		if password, err = h.site.values.value(ctx, o.Secret); err != nil {
			return nil, err
		}
	}
	delete(h.barred, o.Service) // what starts after this, in the same batch too, starts with another
	return one(winhost.ServiceLogon{Service: o.Service, Account: o.Account, Password: password})
}

// logon is what this run has set a service to: when, by the host's clock, and under which process.
type logon struct {
	at  time.Time
	pid uint32
}

// startedWith says that this run has set the logon, and started the process after that: whatever clocks say, it has it.
func (h *host) startedWith(service string, s *winhost.Service) bool {
	set, is := h.logons[service]
	ours := h.running.of(service)
	return is && s.PID != 0 && ours.pid == s.PID && set.pid != s.PID
}

// logonSet remembers when, by the host's clock: a process that started before knows nothing of it.
func logonSet(_ context.Context, h *host, o site.SetLogon, d deed) reconciler.Report {
	s := d.results[0].Service
	if s == nil {
		return h.unproven("service %s could not be looked at", o.Service)
	}
	put(&h.logons, o.Service, logon{s.End, s.PID})
	r := done("stored, in effect at the next start")
	if o.Secret.Name != "" {
		r.Facts = []state.Fact{site.StoredLogon{Version: o.Secret.Version, At: s.End}.Fact(h.name, o.Service)}
	}
	return r
}

// proveLogon demands a process as the account, that is younger than what the service manager keeps, and that it stays. Where
// the process does not let itself be asked for its user, its age and the service manager's word remain.
func proveLogon(ctx context.Context, h *host, o site.ProveLogon, d deed) reconciler.Report {
	first, l, m := d.results[0].Service, d.results[1].Logon, d.results[2].Machine
	if first == nil || l == nil || m == nil {
		return h.unproven("service %s could not be looked at", o.Service)
	}
	since := o.Since
	if at := h.logons[o.Service].at; at.After(since) {
		since = at
	}
	older := first.StartedAt.Before(since) && !h.startedWith(o.Service, first)
	if o.Later && (first.State != winhost.Running || older) {
		if l.Configured != winhost.Yes {
			return h.unproven("service %s is set to run as %s", o.Service, first.Account)
		}
		return done("stored; takes effect at the next start of " + crowd(o.Who))
	}
	process := site.ProveProcess{Host: o.Host, Service: o.Service, Stable: o.Stable, Who: o.Who}
	switch {
	case first.State != winhost.Running:
		return h.died(process, first)
	case first.StartedAt.IsZero():
		return h.unproven("the start time of service %s is not known", o.Service)
	case older:
		return h.unproven("service %s started before its logon was set", o.Service)
	case l.Configured == winhost.No:
		return h.unproven("service %s is set to run as %s", o.Service, first.Account)
	case l.Running == winhost.No:
		return h.unproven("the process of service %s does not run as %s", o.Service, o.Account)
	}
	r := h.stays(ctx, process, first, m.Now)
	if r.Outcome != state.Done {
		return r
	}
	r.Evidence = fmt.Sprintf("%s runs as %s since %s", o.Name, o.Account, first.StartedAt.UTC().Format(time.TimeOnly))
	if o.Noun != "" {
		r.Evidence = fmt.Sprintf("%s run as %s, in processes younger than their logon", crowd(o.Who), o.Account)
	}
	if at, late, ok := h.upSince(o.Service, first); ok {
		r.Up, r.Bounds = map[string]time.Time{o.Name: at}, bound(o.Name, late)
	}
	if o.Secret.Name != "" {
		r.Facts = []state.Fact{site.StoredLogon{Version: o.Secret.Version}.Fact(h.name, o.Service)}
	}
	return r
}

// crowd is who did something: of many like it each says the same.
func crowd(w site.Who) string {
	if w.Noun != "" {
		return w.Noun + "s"
	}
	return w.Name
}

// wrongPassword is the one refusal of a logon that counts towards a lockout. An account that is locked out, disabled, expired or
// without the right is mended where it is, and may be tried at once.
const wrongPassword = 1326

// refusal adds to the report of what failed that nothing was changed, where that is known: of a logon, Windows has not; of a secret,
// its store tells. A refused try of a logon is remembered, so that nobody tries again and again until the account is locked out.
func (h *host) refusal(ctx context.Context, s reconciler.Step, d deed, r *reconciler.Report) {
	var e *winhost.OpError
	if !errors.As(r.Err, &e) || e.Code == winhost.Skipped {
		return
	}
	switch o := s.Op.(type) {
	case site.TryLogon:
		r.Refused = true
		if e.Win32 == wrongPassword {
			r.Facts = []state.Fact{site.LogonRefused(o.Secret.Version, h.site.config.Now())}
		}
	case site.SetLogon:
		r.Refused = e.Win32 != 0
	case site.PushSecret: // what a program that has ended did not write it writes no more
		if reconciler.HintOf(r.Err) == "" {
			r.Err = reconciler.Hinted(r.Err, "what it says stays on "+h.name+": run it there by hand with another value, and look; it signs in with Engine's connection string")
		}
		if d.again || e.Code == winhost.Timeout || !h.site.untouched(ctx, o.Ref) {
			return
		}
		if r.Refused = true; s.Undoes() {
			h.site.push(o.Ref, d.began, site.MachineIdentity{}) // the proof of the way back compares with what was before it
			*r = done("it is as it was: " + o.Ref + " was not set")
		}
	}
}
