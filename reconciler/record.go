package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/state"
)

// noteReports adds the outcomes of a block.
func (p *progress) noteReports(b block, reports []Report) {
	for j, s := range b.steps {
		if j >= len(reports) || reports[j].Outcome == "" {
			continue // not tried
		}
		r := reports[j]
		detail, news := r.Evidence, r.Note
		switch {
		case r.Err != nil:
			detail, news = r.Err.Error(), r.Err.Error()
		case r.Note != "":
			detail = r.Note
		}
		p.books.note(s, r.Outcome, detail, news, r.Facts)
	}
}

// write makes everything that was noted durable, and these entries after it. What was noted stays noted when the ledger
// refuses: a disk may have room again.
func (p *progress) write(ctx context.Context, more ...state.Entry) error {
	var entries []state.Entry
	for _, l := range p.books.order {
		n := p.books.pending[l]
		e := state.Entry{Time: p.run.Now().UTC(), Run: p.run.ID, Fence: p.run.Lease.Fence(), Secret: l.secret.Name,
			Version: l.secret.Version, Step: l.step, Outcome: l.outcome, Detail: l.detail, Stops: l.stops, Starts: l.starts, Hosts: n.hosts, Facts: n.facts}
		if len(n.hosts) == 1 {
			e.Detail = n.detail
		}
		entries = append(entries, e)
	}
	if entries = append(entries, more...); len(entries) == 0 {
		return nil
	}
	if err := p.run.Ledger.Append(ctx, entries...); err != nil {
		return err
	}
	p.books.order, p.books.pending = nil, nil
	return nil
}

// A ledger that is away, as a server that restarts or fails over, is waited for when it is to take an ending.
const (
	endingMost  = 3 * time.Minute
	endingPause = 2 * time.Second
)

// writeEnding is write, and may wait for a ledger that is away: whatever was to come up has come up.
func (p *progress) writeEnding(ctx context.Context, mayWait bool, entries ...state.Entry) error {
	err := p.write(context.WithoutCancel(ctx), entries...)
	var away *state.AwayError
	if p.waitsUntil.IsZero() {
		p.waitsUntil = time.Now().Add(endingMost) // for all that the run has still to record
	}
	for mayWait && errors.As(err, &away) && time.Now().Before(p.waitsUntil) && ctx.Err() == nil {
		p.run.Tell(Event{Kind: Progressed, Time: p.run.Now(), Text: "waiting for the ledger, which is to take how it ended: " + err.Error()})
		select {
		case <-ctx.Done():
		case <-time.After(endingPause):
		}
		err = p.write(context.WithoutCancel(ctx), entries...)
	}
	if err == nil {
		p.waitsUntil = time.Time{}
	}
	return err
}

// soon is how long a ledger is waited for while services are down, or not yet seen to work.
const soon = 2 * time.Second

// writeSoon is write where nothing depends on it. What is not written is written later.
func (p *progress) writeSoon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	_ = p.write(ctx)
}

// The bytes of an entry of a step, of an ending without its outages, and of one outage; long ones, as JSON.
const (
	entryBytes  = 250
	endingBytes = 1500
	outageBytes = 300
)

// room is how much this round still has to write at most, in bytes: what the switch did, the proofs, and the way back.
func (p *progress) room() int {
	type line struct{ secret, step string }
	lines, hosts, size := map[line]bool{}, map[string]bool{}, 0
	for _, s := range p.all {
		name := s.Op.Target().Name
		for _, r := range s.Secrets {
			lines[line{r.Name, s.Name()}] = true
			size += 4 * len(name) // as host
			hosts[name] = true
		}
	}
	size += 3 * entryBytes * len(lines) // its end, if not its start too; and both on the way back
	return size + len(p.rotating())*(2*endingBytes+len(hosts)*outageBytes)
}

// entry is a line of the ledger about a rotation as a whole.
func (p *progress) entry(c Change, o state.Outcome, detail string) state.Entry {
	return state.Entry{
		Time: p.run.Now().UTC(), Run: p.run.ID, By: p.run.By, Commit: p.run.Plan.Commit, Plan: cmp.Or(p.run.Plan.Continues, p.run.Plan.Digest),
		Fence: p.run.Lease.Fence(), Secret: c.Secret.Name, Version: c.Secret.Version, Before: c.Before,
		Outcome: o, Detail: detail,
	}
}

// announce makes `started` durable before the first effect of a round. What no round has come to was not begun.
func (p *progress) announce(ctx context.Context, round int) error {
	nothing := "nothing was changed"
	if round > 0 {
		nothing = fmt.Sprintf("before round %d", round+1)
	}
	var entries []state.Entry
	var names []string
	for _, c := range p.rotating() {
		if p.announced[c.Secret.Name] || p.ending[c.Secret.Name] != "" || !slices.ContainsFunc(p.run.Plan.Rounds[round].Steps, func(s Step) bool { return s.needs(c.Secret.Name) }) {
			continue
		}
		names = append(names, c.Secret.Name)
		reason := c.Reason
		if c.Compromised != "" {
			reason += "; compromised: " + c.Compromised
		}
		if p.run.Note != "" {
			reason += "; " + p.run.Note
		}
		e := p.entry(c, state.Started, reason)
		e.Salt, e.Facts = p.run.Plan.Salt, heldFacts(p.run.Plan, c)
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil
	}
	if err := p.run.Lease.Check(ctx); err != nil {
		return fmt.Errorf("%s: before the first step: %w", nothing, err)
	}
	if err := p.run.Ledger.Append(ctx, entries...); err != nil {
		return fmt.Errorf("%s: the ledger does not take the start: %w", nothing, err)
	}
	for _, name := range names {
		p.announced[name] = true
	}
	return nil
}

// recordProven writes what this round has proven, before anything old is removed. A secret that has a further round is
// not proven yet: its round is.
func (p *progress) recordProven(ctx context.Context) {
	if p.halted && (!p.unheard || lostLease(p.cause)) { // that one proof had no answer takes nothing from those of others
		return
	}
	var entries []state.Entry
	var proven, shown, earlier []string
	for _, c := range p.rotating() {
		name := c.Secret.Name
		if p.ending[name] != "" || p.shownNow[name] || !p.inRound(c) || !p.proven(c) {
			continue
		}
		shown = append(shown, name)
		if len(c.Rounds) > p.round+1 {
			e := p.entry(c, state.Done, strings.Join(p.evidence[name], "; "))
			e.Step = fmt.Sprintf("round %d of %d", p.round+1, len(c.Rounds))
			entries = append(entries, e)
			earlier = append(earlier, name)
			continue
		}
		e := p.entry(c, state.Proven, strings.Join(p.evidence[name], "; "))
		e.Unproven, e.Outages, e.Left = c.Unproven, p.outages(c), p.leftBy(c)
		e.Facts = c.accepts(e.Left)
		entries = append(entries, e)
		proven = append(proven, name)
		p.toldDown[name] = slices.DeleteFunc(slices.Clone(e.Outages), func(o state.Outage) bool { return o.Since.IsZero() })
	}
	if len(entries) == 0 {
		return
	}
	if err := p.run.Lease.Check(context.WithoutCancel(ctx)); lostLease(err) { // another run may have done what was seen
		p.halt(fmt.Errorf("before what was proven is recorded: %w", err))
		return
	}
	if err := p.writeEnding(ctx, len(p.clock.now) == 0, entries...); err != nil {
		p.halt(fmt.Errorf("the rotation is proven, but the ledger does not take it: %w", err))
		return
	}
	for _, name := range shown {
		p.shownNow[name] = true
	}
	for _, name := range earlier {
		p.earlier[name] = true
	}
	for _, name := range proven {
		p.ending[name] = state.Proven
	}
}

// leftBy are the hosts that a change leaves behind, of these and those that were left.
func (p *progress) leftBy(c Change, missed ...LeftBehind) []string {
	var hosts []string
	for _, l := range slices.AppendSeq(missed, maps.Values(p.left)) {
		if slices.Contains(l.Secrets, c.Secret.Name) {
			hosts = append(hosts, l.Target.Name)
		}
	}
	for _, t := range c.Left {
		hosts = append(hosts, t.Name)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// inRoundNow says that something of the change was begun in the round that the run ended in, and not proven there.
func (p *progress) inRoundNow(c Change) bool {
	if p.shownNow[c.Secret.Name] {
		return false
	}
	for _, s := range p.all {
		if s.needs(c.Secret.Name) && p.began(s) {
			return true
		}
	}
	return false
}

// finish writes every ending that is not written yet. What has none is unknown: the next run looks.
func (p *progress) finish(ctx context.Context) {
	var entries []state.Entry
	forward := p.forward()
	for _, c := range p.rotating() {
		name := c.Secret.Name
		if p.ending[name] == state.Proven {
			fell, rose := p.clock.fallen(c), p.risen(c)
			if len(fell)+len(rose) > 0 { // the ledger has it as proven already
				e := p.entry(c, state.Proven, afterProof(fell, rose))
				e.Unproven, e.Outages, e.Left = c.Unproven, p.outages(c), p.leftBy(c)
				e.Outages = slices.DeleteFunc(e.Outages, func(o state.Outage) bool { return !o.UpBy.IsZero() }) // what came back before was told
				entries = append(entries, e)
			}
			continue
		}
		switch {
		case p.ending[name] != "":
		case p.waiting(name):
			p.ending[name] = state.Ahead
		case !p.begun[name]:
			p.ending[name] = state.Back
			p.asBefore[name] = []string{NothingBegun}
		case p.halted && !p.switching && !p.acceptedFor(name) && !p.final(name) && !p.earlier[name]:
			p.ending[name] = state.Back // copies that were staged may lie there: the next run removes them
			p.asBefore[name] = []string{p.nothingLive(name)}
		case p.earlier[name] && !p.inRoundNow(c):
			p.ending[name] = state.Ahead // what its earlier round proved stays; the rest was not begun
		case forward[name]:
			p.ending[name] = state.Ahead
		}
		p.ending[name] = cmp.Or(p.ending[name], state.Unknown)
		if !p.announced[name] {
			continue
		}
		missed := p.notReached()
		detail := p.why(name).Error()
		if since := p.since(); since != "" {
			detail += "; " + ownRecords + since
		}
		e := p.entry(c, p.ending[name], detail)
		e.Outages, e.Left = p.outages(c), p.leftBy(c, missed...)
		entries = append(entries, e)
	}
	p.halted = p.halted && !p.known()
	if err := p.writeEnding(ctx, true, entries...); err != nil {
		p.unwritten(err)
	}
}

// risen is what the ledger has as down with the proof of a secret, and was seen to run at the end, or to work: the next run may not be
// able to ask, and the report says so. A fleet is named where no service of it is.
func (p *progress) risen(c Change) []string {
	now := p.outages(c)
	var services, others []string
	for _, told := range p.toldDown[c.Secret.Name] {
		_, down := p.clock.now[told.What]
		goesOn := slices.ContainsFunc(now, func(o state.Outage) bool { return o.What == told.What && !o.Since.IsZero() })
		switch {
		case told.Service != "" && (!goesOn || !told.Started && !down):
			services = append(services, told.What)
		case told.Service == "" && !goesOn:
			others = append(others, told.What)
		}
	}
	if len(services) > 0 {
		return services
	}
	return others
}

func afterProof(fell, rose []string) string {
	var all []string
	if len(fell) > 0 {
		all = append(all, "seen not to work any more: "+strings.Join(fell, ", "))
	}
	if len(rose) > 0 {
		all = append(all, "seen to run: "+strings.Join(rose, ", "))
	}
	return "after its proof it was " + strings.Join(all, "; ")
}

func (p *progress) unwritten(err error) {
	err = fmt.Errorf("the ledger does not take how it ended: %w", err)
	if p.cause != nil {
		err = fmt.Errorf("%w; and %w", p.cause, err)
	}
	p.cause, p.halted = err, true
}
