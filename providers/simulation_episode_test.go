package providers_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state/memory"
)

// drift is what somebody does behind our back.
func (u *universe) drift(d drift) {
	u.restarted = u.restarted || d.What != "edit" && d.What != "stop"
	h := u.w.lab.Host(d.Host)
	if h == nil {
		return
	}
	u.alone(func() { u.drifting = true })
	_, err := u.w.lab.Break(d.What, d.Host)
	u.alone(func() {
		u.drifting = false
		u.drifted(d, h, err)
	})
	switch d.What { // what it set going has ended, unless it goes on in a run
	case "stop":
		h.Machine.Await(serviceOf(h), winhost.Stopped, 2*time.Minute)
	case "key", "start":
		h.Machine.Await(serviceOf(h), winhost.Running, 2*time.Minute)
	}
}

func (u *universe) drifted(d drift, h *lab.Host, err error) {
	u.scheduler.Note("%s %s: %v", d.What, d.Host, err)
	u.disturb(d.Host)
	if u.Login != "" {
		u.whoServes()
	}
	u.invariants.drifted(u.w, h)
}

// alone does what nobody else may see half done.
func (u *universe) alone(do func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	do()
}

// episode is a commit, a run, and what goes wrong meanwhile.
func (u *universe) episode(n int, e episode) {
	u.sleep(time.Duration(e.Wait) * time.Second)
	var shipped []drift
	if e.Ship {
		shipped = u.ship()
	}
	if e.Move {
		u.alone(u.move)
	}
	if e.Key+e.License+e.Login != "" || e.Declared > 0 || e.Retire {
		u.scheduler.Note("commit: relay key %s, license %s, %d relays, SQL login %s, retire %v", e.Key, e.License, e.Declared, e.Login, e.Retire)
		u.commit(e)
	}
	if e.Mode != "" {
		u.commitMode(e.Mode)
	}
	if e.Revert {
		u.revert()
	}
	u.clock.Store(int64(time.Duration(e.Clock) * time.Hour))
	u.carried = u.carried || e.Clock != 0
	for _, d := range e.Drift {
		u.drift(d)
	}
	u.free(e.Unlock)
	if e.Unlock {
		u.alone(u.forget)
	}
	var stolen leak
	thefts := 0
	if e.Stolen != "" {
		_, _, thefts = u.thefts(e.Stolen)
		stolen = u.steal(e.Stolen)
	}
	before := u.snapshot()
	u.copied(e.Second)
	u.alone(func() {
		u.fresh()
		u.newRun(append(shipped, e.Drift...))
		u.faults = nil
		for _, f := range e.Faults {
			u.faults = append(u.faults, pending{fault: f})
		}
		u.armed, u.personAt = e.Early, e.Person
		u.first = u.operator(fmt.Sprintf("run%d", n), "shared")
		u.first.session.Confirmed = u.confirms(e.Confirm)
		limit(&u.first.session, e.Only)
		if e.Stolen != "" {
			u.first.session.Replace(reconciler.Emergency{Secret: e.Stolen, Why: "posted in a ticket"})
		}
	})
	over := make(chan struct{})
	var other chan *operator
	if e.Second != nil {
		begin := make(chan struct{})
		other = make(chan *operator, 1)
		u.alone(func() { u.second = &late{e.Second.At, begin} })
		go u.late(*e.Second, fmt.Sprintf("run%d-second", n), begin, over, other)
	}
	u.first.begin()
	u.first.await()
	close(over)
	overlapped := false
	if other != nil {
		if o := <-other; o != nil {
			overlapped = o.applied != nil && o.applied.Run != "" || o.dead.Load()
			u.tell(o)
			o.leave()
			u.alone(func() { u.unread(o, before); u.sawHooks(o) })
		}
	}
	u.tell(u.first)
	u.alone(func() {
		u.second, u.faults, u.working, u.personAt = nil, nil, nil, 0
		u.sawHooks(u.first)
		if e.Stolen != "" {
			u.lookBack(stolen, thefts)
		}
		u.check()
		if !u.first.dead.Load() && !overlapped {
			u.judge(u.first, before)
		}
		u.haunted = u.first.dead.Load() || overlapped
	})
	u.first.leave()
	u.unrevert()
}

// unread: what a second operator's run stopped beside a service is in his books, which the others do not read.
func (u *universe) unread(o *operator, before snapshot) {
	for _, h := range u.w.lab.Hosts() {
		if u.other != nil && o.memory == u.other && before.watched[h.Name] && h.Machine.Service(lab.WatchService).State != winhost.Running {
			u.unruly[label(h.Name)] = true
		}
	}
}

// fresh forgets what went wrong in the episode before.
func (u *universe) fresh() {
	u.events, u.struck, u.disturbed, u.hands = 0, map[string]bool{}, map[string]bool{}, map[string]bool{}
	u.lockout.refused = false
	u.deaf, u.startedNow, u.seenStopped = map[string]bool{}, map[string]bool{}, map[string]bool{}
	u.meddled, u.swappedSince, u.startedSince, u.other2 = map[string]uint32{}, map[string]bool{}, map[string]bool{}, nil
}

// sleep waits, by the bubble's clock.
func (u *universe) sleep(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// free makes sure that a dead run's lease is not in the way.
func (u *universe) free(unlock bool) {
	switch _, held, err := u.w.state.Lock.Current(context.Background()); {
	case err != nil || !held:
	case unlock:
		u.scheduler.Note("unlock")
		u.alone(u.unlock)
	default:
		time.Sleep(memory.TTL + time.Second)
	}
}

// late is a second operator, who begins when it is time. He ends in done; nil when he never began.
func (u *universe) late(s second, name string, begin, over chan struct{}, done chan *operator) {
	select {
	case <-begin:
	case <-over:
		done <- nil
		return
	}
	switch {
	case s.Unlock && s.State == "own":
		u.alone(u.unmark) // the first one's lock he does not have
	case s.Unlock:
		u.alone(u.unlock)
	}
	o := u.operator(name, s.State)
	u.alone(func() { u.other2 = o })
	o.begin()
	o.await()
	done <- o
}

// named is what has a random name: runs, and shells on hosts.
var named = regexp.MustCompile(`\d{8}-\d{6}-[a-z0-9]{6}|[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}|\b[0-9a-f]{12}\b`)

func (u *universe) tell(o *operator) {
	text := "killed"
	switch {
	case o.dead.Load():
	case o.applied == nil:
		text = fmt.Sprint(o.err)
	case o.applied.Run == "":
		text = fmt.Sprintf("nothing was done, %d blocked: %v", len(o.applied.Plan.Blocked()), o.err)
	default:
		text = o.applied.Outcome.String()
		if o.err != nil {
			text += "; " + o.err.Error()
		}
	}
	u.scheduler.Note("%s: %s", o.name, named.ReplaceAllString(text, "NAME"))
}

// calm ends all that is wrong. Then within three runs everything must be as declared, and stay so.
func (u *universe) calm() {
	u.scheduler.Note("the weather clears")
	u.alone(func() { u.away, u.haunted = map[string]time.Time{}, false })
	u.full.Store(0)
	u.clock.Store(0)
	u.sleep(10 * time.Minute) // what was under way on a host has ended
	u.starve()
	u.unlockAccount()
	u.startRefused()
	for _, m := range u.Manners {
		h := u.w.lab.Host(m.Host)
		if h == nil {
			continue
		}
		h.Skew(0)
		if err := h.Machine.Was(serviceOf(h), func(s *machine.Service) {
			s.StartMode, s.Timing = "auto", u.timing[h.Name]
		}); err != nil {
			u.t.Error(err)
		}
	}
	u.free(true)
	u.retire(u.outlawed)
	u.commit(episode{Declared: max(u.Relays, 1)})
	for i, runs := 0, 3; i < runs; i++ {
		u.calmRun(fmt.Sprintf("calm%d", i+1), "shared")
		if a := u.first.applied; a != nil && a.Plan.Empty() && len(a.Plan.Blocked()) == 0 {
			break
		}
		if runs < 6 && u.heeds(u.first, i == 0) {
			runs++
		}
	}
	u.settled()
	u.retireAtLast()
}

func (u *universe) calmRun(name, where string) {
	before := u.snapshot()
	u.alone(func() {
		if u.other != nil { // somebody says which of the two folders counts, as the hint says
			u.forget()
		}
		u.fresh()
		u.newRun(nil)
		u.first = u.operator(name, where)
		u.first.session.Confirmed = u.confirms(true)
	})
	u.first.begin()
	u.first.await()
	u.tell(u.first)
	u.alone(func() {
		u.check()
		u.sawHooks(u.first)
		if where == "shared" { // the values of the other folder are others
			u.judge(u.first, before)
		}
	})
	u.first.leave()
}

// cutOffBefore is what a person does who is told that a version was cut off before the one that is asked for now: it comes first.
func (u *universe) cutOffBefore(o *operator, where string) bool {
	asked := u.login.want
	version := ""
	if o.applied != nil {
		for _, c := range o.applied.Plan.Blocked() {
			if named := unfinished.FindStringSubmatch(fmt.Sprintf("%+v", c.Findings)); named != nil {
				version = named[1]
			}
		}
	}
	if version == "" || version == asked {
		return false
	}
	u.scheduler.Note("somebody commits the version that was cut off, as the hint says")
	u.commit(episode{Login: version})
	u.calmRun("calm-before", where)
	u.commit(episode{Login: asked})
	return true
}

// unfinished is what a finding says of such a version.
var unfinished = regexp.MustCompile(`a run that was to set version (\d+) did not finish`)

// blockedBy says that a change was refused for a finding that says so.
func blockedBy(o *operator, text string) bool {
	return o.applied != nil && slices.ContainsFunc(o.applied.Plan.Blocked(), func(c reconciler.Change) bool {
		return strings.Contains(fmt.Sprintf("%+v", c.Findings), text)
	})
}

// halfByOther is what a person does who is told that the pair is half rotated, or a password changed, and by no run of this state
// folder: the other folder's run is finished first.
func (u *universe) halfByOther(o *operator) bool {
	if u.other == nil || u.otherDone || !blockedBy(o, "half-rotated") && !blockedBy(o, "neither-accepted") && !blockedBy(o, "idle-login-in-use") {
		return false
	}
	u.scheduler.Note("somebody applies with the other state folder, as the hint says")
	u.otherDone = true
	u.calmRun("calm-other", "own")
	if u.cutOffBefore(u.first, "own") {
		u.calmRun("calm-other-again", "own")
	}
	return true
}

// startRefused is what the hint of a refused plan asks of a person: an account is mended, and what could not log on by it is started.
func (u *universe) startRefused() {
	for _, h := range u.w.lab.Hosts() {
		service := serviceOf(h)
		s := h.Machine.Service(service)
		password, _, _, _ := u.w.lab.Directory().Look(s.Account)
		if s.State == "stopped" && s.ExitCode == uint32(machine.ErrLogonFailure) && h.Machine.Password(service) == password {
			if err := h.Machine.Start(service); err != nil {
				u.t.Error(err)
			}
			u.sleep(time.Minute)
		}
	}
}
