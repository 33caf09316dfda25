package providers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/scheduler"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
)

// occasion is an event at which something may go wrong.
type occasion struct {
	kind     string    // wire, point, work, books or outside
	operator string    // whose it is; "" for a script on a host
	by       *operator // of work, books and outside
	host     string
	action   string
	object   string // of a script
}

// verdict is what is decided about it.
type verdict struct {
	wire    wsman.Fault
	point   machine.Action
	outside string // how it goes wrong
}

// pending is a fault that has not struck yet.
type pending struct {
	fault
	fits int // events so far that fit
}

func (p *pending) suits(o occasion) bool {
	if slices.Contains(wireTrouble, p.What) && o.kind != "wire" || slices.Contains(scriptTrouble, p.What) && o.kind != "point" || slices.Contains(outsideTrouble, p.What) && o.kind != "outside" {
		return false
	}
	return (p.Host == "" || p.Host == o.host) && (p.Action == "" || p.Action == o.action)
}

// decide says what becomes of an event. It is the only place where anything goes wrong.
func (u *universe) decide(e scheduler.Event) (f scheduler.Fate[verdict]) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o := e.What.(occasion)
	u.watch()
	u.events++
	u.apart(o)
	if o.kind == "work" || o.kind == "point" && o.host == "im-admin" {
		u.marked()
	}
	u.meddle(o)
	u.keepUp(o)
	u.ask(o)
	if s := u.second; s != nil && s.at == u.events {
		f.After = func() { close(s.begin) }
	}
	if u.personAt == u.events {
		after := f.After
		f.After = func() {
			u.alone(u.someone)
			if after != nil {
				after()
			}
		}
	}
	if o.kind == "wire" && time.Now().Before(u.away[o.host]) {
		f.Value.wire.Kind, f.Text = wsman.Refuse, "away"
		u.struck[o.host] = true // perhaps by a fault of an episode before
	}
	if !u.armed {
		return f
	}
	for i := range u.faults {
		p := &u.faults[i]
		if !p.suits(o) {
			continue
		}
		if p.fits++; p.fits >= p.Nth && p.fits < p.Nth+max(p.Times, 1) && f.Text == "" {
			u.strike(p.fault, o, &f)
		}
	}
	u.deaf[o.host] = u.deaf[o.host] || f.Value != verdict{}
	return f
}

// ask notes what a run can know of a host's service.
func (u *universe) ask(o occasion) {
	if h := u.w.lab.Host(o.host); o.kind == "point" && h != nil {
		switch o.action {
		case "service.start after":
			u.startedNow[o.host] = true
		case "service.query before":
			u.seenStopped[o.host] = u.startedNow[o.host] && h.Machine.Service(serviceOf(h)).State == winhost.Stopped
		}
	}
}

// apart: two runs are never at work at the same time.
func (u *universe) apart(o occasion) {
	switch {
	case o.kind == "books" && o.action == "gives the lock back" && u.working == o.by:
		u.working = nil
	case o.action == "file.restore before" && strings.HasSuffix(o.object, markerName) && u.working != nil && u.marks(u.working):
		u.working = nil // it takes its marker away, whether or not it hears of that
	case o.kind != "work" || o.action == "verify" || o.by.lost: // how long he may go on, may says
	case u.working != nil && u.working != o.by && !u.working.dead.Load():
		u.wrong("1: %s changes something while %s is at work", o.operator, u.working.name)
		u.working = o.by
	default:
		u.working = o.by
	}
}

// strike makes a fault happen.
func (u *universe) strike(t fault, o occasion, f *scheduler.Fate[verdict]) {
	f.Text = strings.TrimSpace(fmt.Sprintf("%s %s", t.What, t.Machine))
	lasts := time.Duration(t.For) * time.Second
	if t.For != 0 {
		f.Text += " for " + lasts.String()
	}
	if t.Code != 0 {
		f.Text += fmt.Sprint(" ", t.Code)
	}
	struck := u.struck[o.host]
	u.struck[o.host] = true
	wire, point := &f.Value.wire, &f.Value.point
	after := f.After
	then := func(do func()) {
		f.After = func() {
			u.alone(do)
			if after != nil {
				after()
			}
		}
	}
	on := func(do func(h *lab.Host)) {
		if h := u.w.lab.Host(t.Machine); h != nil { // a reduced universe may not have it
			u.struck[t.Machine] = true
			u.disturb(t.Machine)
			then(func() { do(h) })
		}
	}
	switch t.What {
	case "sql down", "sql drop", "failover":
		u.strikeSQL(t, lasts, then)
	case "fails", "hangs":
		f.Value.outside = t.What
	case "cut before":
		wire.Kind = wsman.CutBefore
	case "cut mid":
		wire.Kind = wsman.CutMid
	case "cut after":
		wire.Kind = wsman.CutAfter
	case "hang":
		wire.Kind = wsman.Hang
	case "hang after":
		wire.Kind = wsman.HangAfter
	case "status":
		wire.Kind, wire.Status = wsman.Status, t.Code
	case "busy":
		wire.Kind, wire.Code = wsman.WSManFault, 170
	case "aborted":
		wire.Kind, wire.Code = wsman.WSManFaultAfter, 995
	case "in the clear":
		wire.Kind = wsman.ClearText
	case "slow wire":
		if wire.Delay = lasts; t.Action == "ALTER" {
			u.belated = time.Now().Add(lasts)
		}
	case "crash":
		point.End = machine.EndCrash
	case "cut reply":
		point.End = machine.EndCut
	case "hang script":
		point.End = machine.EndHang
	case "error":
		point.Fail = machine.Errno(t.Code)
	case "slow disk":
		point.Delay = lasts
	case "kill":
		f.Before = func() { u.alone(u.first.kill) }
	case "kill after":
		then(u.first.kill)
	case "interrupt":
		then(u.first.cancel)
	case "lock out":
		then(u.lockOut)
	case "lost lease":
		then(u.unlock)
	case "full":
		u.full.Store(time.Now().Add(lasts).UnixNano())
	case "clock":
		u.clock.Store(int64(lasts))
		u.carried = true
	case "partition":
		for _, h := range u.w.lab.Hosts() {
			u.leave(label(h.Name), lasts)
		}
		u.leave(api, lasts)
	case "away":
		u.leave(t.Machine, lasts)
	case "reboot":
		u.hands[t.Machine], u.restarted, u.deaf[t.Machine] = true, true, true
		u.booted[t.Machine] = time.Now().Add(lasts)
		on(func(h *lab.Host) { h.Reboot(lasts) })
	case "die":
		u.hands[t.Machine] = true
		on(func(h *lab.Host) { h.Machine.Kill(serviceOf(h)) })
	case "start between":
		u.struck[o.host] = struck // it disturbs nothing that is promised
		if h := u.w.lab.Host(o.host); h != nil && o.kind == "point" {
			point.Delay = lasts
			then(func() { u.startBetween(h) })
		}
	case "edit":
		on(func(h *lab.Host) {
			_, err := u.w.lab.Break("edit", t.Machine)
			u.drifted(drift{"edit", t.Machine}, h, err)
		})
	}
}

// startBetween is somebody who starts a service that a run has just stopped.
func (u *universe) startBetween(h *lab.Host) {
	if h.Machine.Service(serviceOf(h)).State != winhost.Stopped {
		return
	}
	name := label(h.Name)
	u.hands[name], u.restarted = true, true
	delete(u.swappedSince, name)
	delete(u.startedSince, name)
	u.meddled[name] = 0
	go func() { _ = h.Machine.Start(serviceOf(h)) }()
}

// meddle follows what the run does on a host where somebody started the service.
func (u *universe) meddle(o occasion) {
	pid, is := u.meddled[o.host]
	if !is || o.kind != "point" {
		return
	}
	if pid == 0 {
		h := u.w.lab.Host(o.host)
		u.meddled[o.host] = h.Machine.Service(serviceOf(h)).PID
	}
	switch o.action {
	case "file.swap after":
		u.swappedSince[o.host] = true
	case "service.start before":
		h := u.w.lab.Host(o.host)
		now := h.Machine.Service(serviceOf(h))
		u.startedSince[o.host] = u.startedSince[o.host] || u.swappedSince[o.host] && now.State == winhost.Running && now.PID == u.meddled[o.host]
	}
}

// disturb notes that something happened to a host that no run did.
func (u *universe) disturb(host string) { u.disturbed[host], u.unruly[host] = true, true }

// leave makes a host unreachable for a time.
func (u *universe) leave(host string, lasts time.Duration) {
	u.away[host] = time.Now().Add(lasts)
	u.struck[host] = true
}

// unlock is what an operator does who finds a lease and does not believe in it.
func (u *universe) unlock() {
	if h, held, err := u.w.state.Lock.Current(context.Background()); err == nil && held {
		_ = u.w.state.Lock.Break(context.Background(), h.Fence)
		u.loses(func(o *operator) bool { return o.run == h.Run })
	}
}

// unmark removes the marker, as unlock --marker does. Whoever is at work sees it with his next heartbeat.
func (u *universe) unmark() {
	if err := u.w.lab.Admin.Machine.FS.Remove(markerFile); err == nil {
		u.scheduler.Note("the marker is removed")
		u.loses(func(o *operator) bool { return true })
	}
	u.forget()
}

// forget removes the name of the run that changed the deployment last, as unlock --marker does then: so the others' runs go on.
func (u *universe) forget() {
	if err := u.w.lab.Admin.Machine.FS.Remove(lastRunFile); err == nil {
		u.scheduler.Note("the run that changed the deployment last is forgotten")
	}
}

// loses notes whose lease it was: he stops before his next effect, as soon as he can know.
func (u *universe) loses(whose func(*operator) bool) {
	for _, o := range []*operator{u.first, u.other2} {
		if o == nil || o.run == "" || !whose(o) {
			continue
		}
		o.lost = true
		if u.working == o {
			u.working = nil
		}
	}
}

// wire is the hook of a host's WinRM, and of the Admin API.
func (u *universe) wire(host string) func(wsman.Event) wsman.Fault {
	var mu sync.Mutex
	waiting := map[string]map[int]bool{} // by name, the numbers of those that wait under it
	return func(e wsman.Event) wsman.Fault {
		name := fmt.Sprint(e.Client, " ", host, " ", e.Connection, " ", e.Action)
		mu.Lock()
		n, those := 1, waiting[name]
		for those[n] {
			n++
		}
		if those == nil {
			those = map[int]bool{}
			waiting[name] = those
		}
		those[n] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			delete(those, n)
		}()
		event := name
		if n > 1 { // the client has given up the same request, and asks again
			event = fmt.Sprint(name, " ", n)
		}
		return u.scheduler.Pass(event, occasion{kind: "wire", operator: e.Client, host: host, action: string(e.Action)}).wire
	}
}

// changes are the ops after which something is different.
var changes = map[string]bool{"file.stage": true, "file.swap": true, "file.restore": true, "file.discard": true, "service.stop": true, "service.start": true}

// point is the hook of a host's scripts.
func (u *universe) point(host string) func(machine.Point) machine.Action {
	return func(p machine.Point) machine.Action {
		if p.When == machine.After && !changes[p.Op] {
			return machine.Action{}
		}
		what := p.Op + " " + string(p.When)
		return u.scheduler.Pass(fmt.Sprintf("%s script %d %s %s", host, p.Process, what, p.Object), occasion{kind: "point", host: host, action: what, object: p.Object}).point
	}
}
