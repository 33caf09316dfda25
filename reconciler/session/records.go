package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// remembered is what the state holds before a look, which may make a salt.
func (s *Session) remembered(ctx context.Context) (h state.History, p state.Present, err error) {
	entries, err := s.State.Ledger.Entries(ctx)
	if err != nil {
		return h, p, fmt.Errorf("read the ledger of %s: %w", s.Document.Name, err)
	}
	h = state.NewHistory(entries)
	if err := s.ours(h); err != nil {
		return h, p, err
	}
	p, err = s.present(ctx)
	return h, p, err
}

// damaged is the view where what is remembered cannot be believed.
func (s *Session) damaged(err error) (*View, error) {
	return s.unlooked(append(Untrusted(s.Document), reconciler.Finding{Severity: reconciler.Error, Code: "state-damaged", Text: err.Error(), Hint: reconciler.HintOf(err)}))
}

// unlooked is the view where nothing was looked at, for nothing could be judged or nobody has agreed to it.
func (s *Session) unlooked(why []reconciler.Finding) (*View, error) {
	v := &View{History: state.NewHistory(nil)}
	var planned error
	v.Plan, planned = reconciler.MakePlan(s.Document, s.Rotations, reconciler.Input{History: v.History, Now: s.now()})
	if planned != nil {
		return nil, fmt.Errorf("plan %s: %w", s.Document.Name, planned)
	}
	for i, c := range v.Plan.Changes {
		v.Plan.Changes[i] = reconciler.Change{Secret: c.Secret, Title: c.Title, Status: reconciler.Unknown, Reason: "nothing was looked at"}
	}
	v.Plan.Only = s.Only
	v.Plan.Fleet = why
	return v, nil
}

// Untrusted are what the document says and the trusted side does not: none of it is in force, but for what an operator's file allows.
func Untrusted(d *specs.Deployment) []reconciler.Finding {
	var all []reconciler.Finding
	for _, q := range d.Origin.Doubts {
		f := reconciler.Finding{Severity: reconciler.Warning, Code: "trust-loosened", Text: q.Text, Hint: q.Hint}
		if q.Blocks {
			f.Severity, f.Code = reconciler.Error, "trust-not-agreed"
		}
		all = append(all, f)
	}
	for _, q := range d.Origin.Changed {
		all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: "trust-changed", Text: q.Text, Hint: q.Hint})
	}
	if u := d.Origin.Unsigned; u != nil {
		all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: "commit-not-signed", Text: u.Text + "; `meshrotate apply` refuses it", Hint: u.Hint})
	}
	return all
}

// locked says that the lock is held by nobody knows whom.
func (s *Session) locked(ctx context.Context) ([]reconciler.Finding, error) {
	h, held, err := s.State.Lock.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the lock of %s: %w", s.Document.Name, err)
	}
	if !held || h.Damaged == "" {
		return nil, nil
	}
	return []reconciler.Finding{{Severity: reconciler.Warning, Code: "state-lock-damaged", Text: (&state.HeldError{Holder: h}).Error(),
		Hint: "make sure that no meshrotate is at work, then remove the lock: `meshrotate unlock`"}}, nil
}

// present is what is there of the state, before a look may make a salt.
func (s *Session) present(ctx context.Context) (state.Present, error) {
	p, err := s.State.Records.Present(ctx)
	if err != nil {
		err = fmt.Errorf("look at the state of %s: %w", s.Document.Name, err)
	}
	return p, err
}

// sealer seals a plan with the salt that is kept, nil where none is; and with the site's key, which is asked for when a plan is written
// or read, and not at each look.
func (s *Session) sealer(ctx context.Context, id string) (func(string) string, error) {
	if id == "" || s.State.Salt == nil {
		return nil, nil
	}
	salt, err := s.State.Salt.PresentSalt(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the state of %s: %w", s.Document.Name, err)
	}
	key := sync.OnceValue(func() (key secret.Value) {
		if site, can := s.Site.(reconciler.KeyHolder); can {
			key = site.PlanKey(ctx)
		}
		return key
	})
	return func(whole string) string { return state.SealOf(salt, key(), whole) }, nil
}

// ours makes sure that the ledger is that of this deployment.
func (s *Session) ours(h state.History) error {
	if name := h.Deployment(); name != "" && name != s.Document.Name {
		return reconciler.Hinted(fmt.Errorf("the ledger is that of %s, and the document is that of %s: nothing was looked at or changed", name, s.Document.Name),
			"name this deployment's own folder as state.dir; where it was renamed, give it its old name back")
	}
	return nil
}

// saltReplaced says that the last run used another salt.
func saltReplaced(salt string, h state.History) bool { return h.Salt() != "" && salt != h.Salt() }

// takeSalt records that the salt is as it is now, and that there is a record, where nothing is to be done that would say so.
func (s *Session) takeSalt(ctx context.Context, v *View, lease state.Lease, run string) error {
	if !v.History.Empty() && !saltReplaced(v.Plan.Salt, v.History) {
		return nil
	}
	err := s.State.Ledger.Append(ctx, state.Entry{Time: s.now().UTC(), Run: run, By: s.By, Commit: s.Document.Origin.Commit,
		Deployment: s.Document.Name, Fence: lease.Fence(), Step: "salt", Outcome: state.Done, Salt: v.Plan.Salt})
	if err != nil {
		return fmt.Errorf("the ledger does not take the salt: %w", err)
	}
	return nil
}

// noteGone records, of secrets that others knew, where the old value is found no more: nothing is left to do for them, and whoever took
// it out there was ended before the ledger knew. What could not be looked at stays as it was told.
func (s *Session) noteGone(ctx context.Context, v *View, lease state.Lease, run string) error {
	var all []state.Entry
	var entries []state.Entry
	for _, c := range v.Plan.Changes {
		name := c.Secret.Name
		if c.Status != reconciler.AsDeclared || c.Leaked != "" || !v.History.WasCompromised(name) {
			continue
		}
		if entries == nil {
			var err error
			if entries, err = s.State.Ledger.Entries(ctx); err != nil {
				return fmt.Errorf("nothing was changed: read the ledger of %s: %w", s.Document.Name, err)
			}
		}
		var open []string
		for _, e := range state.EvidencesOf(entries, name) {
			open = append(open, e.Open()...)
		}
		slices.Sort(open)
		open = slices.Compact(open)
		away := slices.DeleteFunc(slices.Clone(open), func(t string) bool { return v.reached[t] && !slices.Contains(c.Unseen, t) && !c.StillOn(t) })
		if len(away) == len(open) {
			continue
		}
		all = append(all, state.Entry{Time: s.now().UTC(), Run: run, By: s.By, Commit: s.Document.Origin.Commit, Deployment: s.Document.Name, Fence: lease.Fence(),
			Step: state.LookedFor(name), Outcome: state.Done, Facts: []state.Fact{{Field: state.LookedBut, Value: strings.Join(away, ",")}}})
	}
	if len(all) == 0 {
		return nil
	}
	if err := s.State.Ledger.Append(ctx, all...); err != nil {
		return fmt.Errorf("nothing was changed: the ledger does not take what was looked for: %w", err)
	}
	return nil
}

// forgotten adds the services that a run has left down, or may have, for secrets that the document does not name any more, or on hosts
// that it does not name. Where it names the host, that is asked. Nobody else is contacted, so what was left there is down until somebody
// says otherwise. Either ends a run as anything down does.
func (s *Session) forgotten(ctx context.Context, v *View) (findings []reconciler.Finding) {
	reads := s.reads()
	named := s.Document.AllHosts()
	var here []reconciler.Down
	words := v.History.DownElsewhere(reads.has)
	works := s.workElsewhere(ctx, words, named)
	for _, w := range words {
		d := downElsewhere(w)
		switch {
		case works[w.Host]:
		case s.confirms(w.Host):
			v.confirmed = append(v.confirmed, w)
		case slices.Contains(named, w.Host):
			if slices.ContainsFunc(here, func(o reconciler.Down) bool { return o.What == d.What }) {
				d.What = w.Service + " on " + w.Host
			}
			d.Cause = "an earlier run stopped it for a secret that the document does not name any more"
			hint := "start it on the host; or name the secret again: the next apply finishes it"
			if w.Begun != "" {
				d.Cause, hint = "a run that was to set version "+w.Begun+" of "+w.Secret+" did not finish, and the document does not name that secret any more", nameAgain(w)
			}
			d.Why = reconciler.Hinted(errors.New(d.Cause), hint)
			here = append(here, d)
		default:
			findings = append(findings, v.gone(w, s.unnamed(w), reads))
		}
	}
	findings = append(findings, s.here(ctx, v, here)...)
	return append(findings, s.here(ctx, v, s.severed(v, reads))...) // what runs may be cut off
}

// workElsewhere are the hosts that the document does not name, and that work by the word of others: nobody asks them.
func (s *Session) workElsewhere(ctx context.Context, words []state.Word, named []string) map[string]bool {
	var ask []reconciler.Down
	for _, w := range words {
		if !slices.Contains(named, w.Host) {
			ask = append(ask, s.unnamed(w))
		}
	}
	works := map[string]bool{}
	if len(ask) > 0 {
		for what := range s.Site.Running(ctx, ask).Started {
			works[what] = true
		}
	}
	return works
}

// unnamed is down by the ledger, on a host that the document does not name.
func (s *Session) unnamed(w state.Word) reconciler.Down {
	d := downElsewhere(w)
	d.Elsewhere, d.StoppedBy = true, w.StoppedBy(s.Document.Product.Relay.StopTimeout.Of())
	return d
}

// gone notes what was left down on a host that the document does not name any more, with the secret that knows of it: so each further run
// says it in the ledger.
func (v *View) gone(w state.Word, d reconciler.Down, reads planned) reconciler.Finding {
	verb := "has left %s down"
	if d.MayBeUp = w.Unsure; w.Unsure {
		verb = "that was cut off may have left %s down, or without what the others have,"
	}
	d.Cause = fmt.Sprintf("a run "+verb+" on %s, and the document does not name this host any more", w.Service, w.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	hint := "name the host again: the next apply finishes it; or start it on the host. Where it works with the others (Admin has it as connected), or is gone for good: `meshrotate apply --confirm " + w.Host + "`"
	d.Why = reconciler.Hinted(errors.New(d.Cause), hint)
	down := &v.Plan.Down
	for i, c := range v.Plan.Changes {
		knows := v.History.DownElsewhere(func(secret, host string) bool { return secret != c.Secret.Name || reads.has(secret, host) })
		if slices.ContainsFunc(knows, func(o state.Word) bool { return o.Host == w.Host && o.Service == w.Service }) {
			down = &v.Plan.Changes[i].Down
			break
		}
	}
	if slices.ContainsFunc(*down, func(o reconciler.Down) bool { return o.What == d.What }) {
		d.What = w.Service + " on " + w.Host
	}
	*down = append(slices.Clone(*down), d)
	return elsewhere(d, w.Host+": "+d.Cause, hint)
}

// here asks for what was left down on hosts that the document names, for secrets that it does not.
func (s *Session) here(ctx context.Context, v *View, down []reconciler.Down) (findings []reconciler.Finding) {
	if len(down) == 0 {
		return nil
	}
	now := s.Site.Running(ctx, down)
	severed := map[string]*reconciler.Finding{}
	for _, d := range down {
		_, runs := now.Started[d.What]
		if _, works := now.Up[d.What]; runs || works {
			continue
		}
		d.Unsure = slices.Contains(now.Missing, d.What)
		v.Plan.Down = append(v.Plan.Down, d)
		since := " since " + d.Since.UTC().Format("2006-01-02 15:04:05 UTC") + ": " + d.Cause
		is := map[bool]string{false: "is down", true: "may be DOWN"}[d.Unsure]
		if !d.CutOff {
			findings = append(findings, elsewhere(d, d.Target.Name+": "+d.Service+" "+is+since, reconciler.HintOf(d.Why)))
			continue
		}
		is = map[bool]string{false: "cut off", true: "may be cut off"}[d.Unsure]
		if f := severed[is+since]; f != nil { // one for a fleet
			f.Hosts = append(f.Hosts, d.Target.Name)
			continue
		}
		f := elsewhere(d, is+since, reconciler.HintOf(d.Why))
		severed[is+since] = &f
	}
	for _, said := range slices.Sorted(maps.Keys(severed)) {
		findings = append(findings, *severed[said])
	}
	return findings
}

// takeWord records that somebody has said that what was left down elsewhere runs, or is gone for good.
func (s *Session) takeWord(ctx context.Context, v *View, lease state.Lease, run string) error {
	var all []state.Entry
	for _, w := range v.confirmed {
		all = append(all, state.Entry{Time: s.now().UTC(), Run: run, By: s.By, Commit: s.Document.Origin.Commit, Deployment: s.Document.Name, Fence: lease.Fence(),
			Step: "confirm", Hosts: []string{w.Host}, Starts: w.Service, Outcome: state.Done, Detail: s.By + " has confirmed that it runs, or is gone for good"})
	}
	if len(all) == 0 {
		return nil
	}
	if err := s.State.Ledger.Append(ctx, all...); err != nil {
		return fmt.Errorf("nothing was changed: the ledger does not take what was confirmed: %w", err)
	}
	return nil
}

func elsewhere(d reconciler.Down, text, hint string) reconciler.Finding {
	return reconciler.Finding{Severity: reconciler.Warning, Code: "down-elsewhere", Hosts: []string{d.Target.Name}, Text: text, Hint: hint}
}

// doubts are what does not fit together in what is remembered. Whoever was refused has held the lock here, and recorded nothing.
func doubts(p state.Present, h state.History) []reconciler.Finding {
	var all []reconciler.Finding
	doubt := func(code reconciler.FindingID, hint, format string, args ...any) {
		all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: code, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	if p.Unable != nil {
		all = append(all, reconciler.Finding{Severity: reconciler.Error, Code: "state-unable", Text: "no record can be begun: " + p.Unable.Error(), Hint: reconciler.HintOf(p.Unable)})
	}
	if !p.Begun || h.Empty() {
		doubt("state-new", "does the document's `state` name the place that is meant, and was that restored? For a first use: `meshrotate apply` begins the record, also where it has nothing to do",
			"%s holds no record: what was rotated before is not known, no live value is recognised but the declared one, and everything else is rotated to the declared version", p.Place)
	}
	if p.Salt == "" && h.Planned() {
		doubt("state-salt-lost", "restore the file salt from the backup; plans that were saved before must be made again",
			"the salt of %s is gone: fingerprints are not comparable with those of earlier plans", p.Place)
	}
	if p.Salt != "" && saltReplaced(p.Salt, h) {
		doubt("state-salt-replaced", "find out who did it, or restore the file salt from the backup; `meshrotate apply` takes it as it is now, also where it has nothing to do",
			"the salt of %s is another one than the last run used: fingerprints are not comparable with those of earlier plans", p.Place)
	}
	if p.Fence < h.Fence() {
		doubt("state-fence", "restore the whole folder from one backup; the next run goes on with a higher fence than both",
			"the fence of %s is %d, and its ledger knows %d: its files are not of one age", p.Place, p.Fence, h.Fence())
	}
	return append(all, journals(p)...)
}
