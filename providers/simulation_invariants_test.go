package providers_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// invariants are what is known of the world so that it can be judged. What the engine says is believed in nothing.
type invariants struct {
	wantKey, wantLicense string
	// known are the keys that may run: kept ones, and those that somebody put there behind our back.
	known map[string]bool
	// ruled are the keys that Admin has run with: no relay runs with another one.
	ruled map[string]bool
	// settings are the hosts' files, the key left out: only the key may change.
	settings map[string]string
	bare     map[string]bare   // by host: the file that was read last
	licenses map[string]string // versions, by content
	sealed   map[string]string // the kept values, by name
	texts    map[string]bool   // what was said
	access   map[string]access // by host and path
}

// bare is a settings file, and what it is without its key.
type bare struct{ file, text, key string }

// access is who may do what with a file, as far as the lab knows: a swap keeps it.
type access struct {
	users bool
	owner string
}

func accessOn(h *lab.Host) map[string]access {
	all := map[string]access{}
	for _, path := range []string{h.Settings(), lab.LicenseFile} {
		if _, info, err := h.Machine.FS.Read(path); err == nil {
			all[h.Name+" "+path] = access{info.UsersCanRead, info.Owner}
		}
	}
	return all
}

func (v *invariants) begin(w *world) {
	v.wantKey, v.wantLicense = lab.NewKey, lab.NewLicense
	v.known, v.ruled = map[string]bool{w.old: true}, map[string]bool{w.old: true}
	v.settings, v.licenses, v.sealed, v.texts = map[string]string{}, map[string]string{}, map[string]string{}, map[string]bool{}
	v.access, v.bare = map[string]access{}, map[string]bare{}
	for _, h := range w.lab.Hosts() {
		v.settings[h.Name], _ = v.without(h)
		if disk, ok := h.Machine.FS.(*machine.Memory); ok { // not what a new file would have
			_ = disk.Set(h.Settings(), func(i *machine.Info) { i.UsersCanRead, i.Owner = false, "S-1-5-21-7-500" })
		}
		maps.Copy(v.access, accessOn(h))
	}
	for _, version := range []string{lab.OldLicense, lab.NewLicense} {
		if b, err := os.ReadFile(filepath.Join(w.dir, "licenses", version+".key")); err == nil {
			v.licenses[string(b)] = version
		}
	}
}

// drifted learns what somebody else has put on a host.
func (v *invariants) drifted(w *world, h *lab.Host) {
	text, key := v.without(h)
	v.settings[h.Name] = text
	maps.Copy(v.access, accessOn(h))
	if key != "" {
		v.known[key], v.ruled[key] = true, true
	}
	if b, _, err := h.Machine.FS.Read(lab.LicenseFile); err == nil && v.licenses[string(b)] == "" {
		v.licenses[string(b)] = "put there by somebody"
	}
}

// without is a host's settings file without its key, and the key.
func (v *invariants) without(h *lab.Host) (text, key string) {
	b, _, err := h.Machine.FS.Read(h.Settings())
	if err != nil {
		return "unreadable: " + err.Error(), ""
	}
	if now := string(b); v.bare[h.Name].file != now {
		text, key := without(b)
		v.bare[h.Name] = bare{now, text, key}
	}
	return v.bare[h.Name].text, v.bare[h.Name].key
}

func without(b []byte) (text, key string) {
	b = withoutList(b)
	s, err := appsettings.Get(b, "Relay:ApiKey")
	if err != nil {
		return words(withoutLogin(b)), ""
	}
	key = string(s.Value.Expose())
	bare, err := appsettings.Set(b, "Relay:ApiKey", secret.NewString("KEY"))
	if err != nil {
		bare = b
	}
	return words(withoutLogin(bare)), key
}

// words are a text but for its white space: a remark whose member goes stays on a line of its own.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// watch is asked at every event: nobody runs with a value that is not durable, and no relay with one that Admin never had.
func (u *universe) watch() {
	if u.drifting {
		return
	}
	keys := u.w.lab.Keys()
	if k, up := keys[u.w.lab.Admin.Name]; up {
		u.ruled[k] = true
	}
	u.time(keys)
	u.together(keys)
	u.watchLogin()
	u.watchSigning()
	u.watchOutside()
	for host, k := range keys {
		if !u.known[k] && !u.learn(k) {
			u.known[k] = true // said once
			u.wrong("2: %s runs with a key that is kept nowhere", host)
		}
		if !u.ruled[k] && !u.disturbed[label(host)] && !u.stale() {
			u.ruled[k] = true
			u.wrong("1: %s runs with a key that Admin has never run with", host)
		}
	}
}

// learn looks for a key among the kept values.
func (u *universe) learn(key string) bool {
	for version := 6; version < 16; version++ {
		ref := secret.Ref{Name: "relaykey", Version: fmt.Sprint(version)}
		if u.value(ref.Version) == key || u.other != nil && u.w.unsealIn(u.other, ref) == key {
			u.known[key] = true
			return true
		}
	}
	return false
}

// check is what holds after every run, however it ended.
func (u *universe) check() {
	u.watch()
	for _, h := range u.w.lab.Hosts() {
		if text, _ := u.without(h); text != u.settings[h.Name] {
			u.settings[h.Name] = text
			u.wrong("3: the settings of %s are torn, or somebody's change is lost", h.Name)
		}
		for at, now := range accessOn(h) {
			if was, known := u.access[at]; known && was != now {
				u.wrong("3: who may read %s has changed: %+v was %+v", at, now, was)
			}
			u.access[at] = now
		}
		if b, _, err := h.Machine.FS.Read(lab.LicenseFile); err == nil && u.licenses[string(b)] == "" {
			u.wrong("3: the license on %s is nobody's", h.Name)
		}
	}
	ctx := context.Background()
	for _, folder := range u.folders() {
		names, err := u.w.state.Values.List(ctx, folder)
		if err != nil {
			u.wrong("2: the kept values cannot be listed: %v", err)
		}
		for _, name := range names {
			b, err := u.w.state.Values.Read(ctx, name)
			if err != nil || u.sealed[name] != "" && u.sealed[name] != string(b) {
				u.wrong("2: %s has a second value (%v)", name, err)
			}
			u.sealed[name] = string(b)
		}
		for name := range u.sealed {
			if strings.HasPrefix(name, folder+"/") && !slices.Contains(names, name) {
				u.wrong("2: the kept value %s is lost", name)
			}
		}
	}
	u.checkStored()
	if entries, err := u.w.state.Ledger.Entries(ctx); err == nil {
		u.toldOnce(entries)
	} else {
		u.wrong("the ledger cannot be read: %v", err)
	}
}

// snapshot is what runs before a run.
type snapshot struct {
	keys map[string]string
	pids map[string]uint32 // of services that run
	// haunted: scripts of a dead run may still be at work. Then what was before says little.
	haunted bool
	late    bool              // a statement of an earlier run was on its way
	watched map[string]bool   // hosts whose dependent runs
	files   map[string]string // the hosts' license files
	served  *licensefile.License
	// passwords are the SQL logins'.
	passwords map[string]string
	accepting map[string]string // certificates, by relay
	domain    string            // the account's password there
}

func (u *universe) snapshot() snapshot {
	s := snapshot{keys: u.w.lab.Keys(), pids: map[string]uint32{}, haunted: u.haunted, late: time.Now().Before(u.belated), watched: map[string]bool{}, files: u.licenseFiles(), served: u.w.lab.Served(), passwords: u.passwords(), accepting: u.accepting(), domain: u.domainHas()}
	for _, h := range u.w.lab.Hosts() {
		if now := h.Machine.Service(serviceOf(h)); now.State == winhost.Running || now.State == winhost.StartPending {
			s.pids[h.Name] = now.PID
		}
		s.watched[h.Name] = h.Machine.Service(lab.WatchService).State == winhost.Running
	}
	return s
}

// judge compares what a run says about itself with the world, at the instant at which it says so.
func (u *universe) judge(o *operator, before snapshot) {
	u.judgeMoved(o)
	if o.applied == nil || o.applied.Run == "" {
		u.asked = false // whoever asked is told so again, if it is so still
		for host, pid := range u.snapshot().pids {
			if pid != before.pids[host] && before.pids[host] != 0 && !before.haunted && !u.disturbed[label(host)] {
				u.wrong("7: nothing was done, it says, and the service of %s was restarted", host)
			}
		}
		return
	}
	out := o.applied.Outcome
	left := map[string]bool{}
	for _, l := range out.Left {
		left[l.Target.Name] = true
	}
	for _, d := range out.Down { // proven, and then taken down by another secret's way back: it says so
		left[d.Target.Name] = true
	}
	for _, e := range out.Secrets {
		for _, outage := range e.Outages {
			if outage.Measured < 0 {
				u.wrong("an outage of %s lasted %v s", outage.What, outage.Measured)
			}
		}
		switch {
		case e.Change.Secret.Name == "relaykey" && e.Ending == state.Proven:
			u.proven(u.value(e.Change.Secret.Version), left, len(out.With(state.Back))+len(out.With(state.Unknown)) > 0)
		case e.Change.Secret.Name == "license" && e.Ending == state.Proven:
			u.licensed(e.Change.Secret.Version, left)
		case e.Change.Secret.Name == "relaykey" && e.Ending == state.Back && !before.haunted:
			u.back(before, left)
		case e.Change.Secret.Name == "license" && e.Ending == state.Back && !before.haunted:
			u.relicensed(before, left)
		}
	}
	u.toldRows(out)
	u.judgeLogin(out, before, left)
	u.judgeStored(out, left)
	u.judgeOutside(o, out, before)
	u.judgeSigning(out, before, left)
	u.judgeLeaks(out, left, before.late || before.haunted)
	if !before.haunted {
		u.down(out, before)
		u.unwell(out)
		u.lastSeen(out)
		u.timed(out, len(o.applied.Plan.Deferred())+len(o.applied.Plan.Only) > 0)
		u.dependents(out, before)
		u.split(out, before)
		u.between(out)
	}
}

// proven: whoever runs and is not named runs with the new key. On another secret's way back Admin restarts, and relays come again
// by themselves, when nobody waits for them any more.
func (u *universe) proven(key string, left map[string]bool, undone bool) {
	keys := u.w.lab.Keys()
	for i, h := range append([]*lab.Host{u.w.lab.Admin}, u.w.lab.Relays[:u.declared]...) {
		k, up := keys[h.Name]
		switch {
		case left[h.Name]:
		case up && k != key:
			u.wrong("%d: the relay key is proven, and %s runs with another one", 7-6*min(i, 1), h.Name)
		case u.disturbed[label(h.Name)]:
		case !up:
			u.wrong("7: the relay key is proven, and %s does not run", h.Name)
		case i > 0 && !undone && !u.disturbed["im-admin"] && !u.w.lab.IsConnected(h):
			u.wrong("7: the relay key is proven, and %s is not connected", h.Name)
		}
	}
}

// back: whoever runs, runs with what it had.
func (u *universe) back(before snapshot, left map[string]bool) {
	for host, k := range u.w.lab.Keys() {
		if was, ran := before.keys[host]; ran && was != k && !left[host] && !u.disturbed[label(host)] {
			u.wrong("1: everything is back, it says, and %s runs with another key than before", host)
		}
	}
}

// down: what this run left stopped is named, and nothing else.
func (u *universe) down(out reconciler.Outcome, before snapshot) {
	named, sure, stopping := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, d := range out.Down {
		h := u.w.lab.Host(d.Target.Name)
		if d.Unwell {
			continue
		}
		if d.CutOff {
			if !d.Unsure && u.w.lab.IsConnected(h) && !u.struck[label(h.Name)] && !u.disturbed[label(h.Name)] && !u.disturbed["im-admin"] {
				u.wrong("7: %s is named as cut off, and is connected: %v", d.What, out)
			}
			continue
		}
		if h != nil && d.Service != "" && d.Service != serviceOf(h) {
			if s := h.Machine.Service(d.Service); s.State == winhost.Running && !d.Unsure && !u.struck[label(h.Name)] && !u.disturbed[label(h.Name)] {
				u.wrong("7: %s is named down, and it runs: %v", d.What, out)
			}
			continue
		}
		named[d.Target.Name], sure[d.Target.Name] = true, !d.Unsure
		stopping[d.Target.Name] = d.Elsewhere && time.Now().Before(d.StoppedBy) // where nobody looks, a stop that was asked for may come yet
	}
	for _, h := range u.w.lab.Hosts() {
		s := h.Machine.Service(serviceOf(h))
		up := s.State == winhost.Running || s.State == winhost.StartPending
		const asked = time.Second                                                                                    // before the end Admin was asked for the last time
		own := slices.ContainsFunc(u.Manners, func(m manner) bool { return m.Host == label(h.Name) && m.Skew != 0 }) // by whose clock its heartbeats are told is not known
		listed := serviceLabel(u.w.lab, h) != "" || !own && u.w.lab.ConnectedFor(h) > asked                          // by Admin, whoever else is away
		switch {
		case u.disturbed[label(h.Name)]:
		case !up && before.pids[h.Name] != 0 && !named[h.Name]:
			u.wrong("7: %s on %s is %s, and nobody says so: %v", serviceOf(h), h.Name, s.State, out)
		case up && named[h.Name] && !u.struck[label(h.Name)] && (sure[h.Name] || listed && !stopping[h.Name] && !u.struck[api] && !u.disturbed["im-admin"]):
			u.wrong("7: %s is named down, and it runs: %v", h.Name, out)
		}
	}
}

// unwell: an Admin that a run has started and waited for in vain is named when it runs and is not ready, and only then.
func (u *universe) unwell(out reconciler.Outcome) {
	i := slices.IndexFunc(out.Down, func(d reconciler.Down) bool { return d.What == "Admin" })
	waited := strings.Contains(fmt.Sprint(out.Err), "admin is not ready")
	s := u.w.lab.Admin.Machine.Service(lab.AdminService)
	if i < 0 && !waited || i >= 0 && (!out.Down[i].Unwell || out.Down[i].Unsure) || s.State != winhost.Running || u.disturbed["im-admin"] || u.struck[api] || u.struck["im-admin"] {
		return
	}
	if ready := u.w.lab.Ready(); ready == (i >= 0) {
		u.wrong("7: Admin runs, ready %v: %v", ready, out)
	}
}

// settled: after calm runs everything is as declared, and nothing was said that nobody may see.
func (u *universe) settled() {
	if a := u.first.applied; a == nil || !a.Plan.Empty() || len(a.Plan.Blocked()) > 0 {
		u.wrong("6: not as declared after three runs in calm weather: %v", u.first.err)
	}
	for _, err := range []error{u.w.up(), u.w.together(), u.w.licensed(u.wantLicense), u.w.keyWorks(u.value(u.wantKey), "")} {
		if err != nil {
			u.wrong("6: after calm runs: %v", err)
		}
	}
	for _, err := range append(append(u.storedSettled(), u.loginSettled(), u.signingSettled()), u.leaksSettled()...) {
		if err != nil {
			u.wrong("6: after calm runs: %v", err)
		}
	}
	for _, h := range u.w.lab.Hosts() {
		if w := h.Machine.Service(lab.WatchService); w.Installed && w.State != winhost.Running && !u.unruly[label(h.Name)] {
			u.wrong("6: after calm runs %s on %s is %s", lab.WatchService, h.Name, w.State)
		}
	}
	if n := u.w.lab.Stats().Shells; n > 0 {
		u.wrong("6: after calm runs %d shells are left on the hosts", n)
	}
	said := u.w.said()
	var all bytes.Buffer
	for text := range u.texts {
		all.WriteString(text + "\n")
	}
	said["what was said"] = all.Bytes()
	for _, found := range rotationtest.Found(u.w.secrets(), said) {
		u.wrong("5: %s", found)
	}
}
