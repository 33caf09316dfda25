package site

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/reconciler"
)

// Preflight asks whether what a rotation does to a service, to the file that it reads, and to what a build signs with, can be done at all. Nothing is changed.
// Answer: *PreflightSeen.
type Preflight struct {
	Host, Service string
	// Logon: the account that the service logs on with is set, too.
	Logon bool
	// Path is the file that is replaced, "" for none.
	Path string
	// Settings is the file that the service reads its settings from, "" where it is not known: whether it would start again, and as it
	// runs now, is asked by that.
	Settings string
	// Store is where a certificate is put, "" for none. Machine: a variable of the machine's environment is set.
	Store   string
	Machine bool
}

func (r Preflight) Target() reconciler.Target { return Host(r.Host) }
func (r Preflight) Key() string {
	key := "preflight " + r.Service + " " + r.Path
	if r.Settings != "" && r.Settings != r.Path {
		key += " by " + r.Settings
	}
	if r.Store != "" || r.Machine {
		key += fmt.Sprintf(" of a build %s %t", r.Store, r.Machine)
	}
	return key
}

// PreflightSeen answers Preflight. Service, File, Folder, Store and Environment are the Windows errors that stopping and starting the
// service, replacing the file, making another beside it, adding to the store, and changing the environment would meet; 0: none.
type PreflightSeen struct {
	Preflight
	Service, File, Folder uint32
	Store, Environment    uint32
	ReadOnly              bool
	Size, Free            int64 // bytes; Free is -1 where it is not known
	// Exists, Right and Locked say of the account that the service is set to whether the host finds it, whether it may log on as a
	// service there, and whether it is locked out: "yes", "no", or "" where the host cannot know.
	Exists, Right, Locked string
	// PasswordSet is when that account got its password, by the clock of who keeps it; zero where that is not known.
	PasswordSet time.Time
	Start       StartSeen
}

// Errors of Windows that a preflight meets.
const (
	noFile, noPath, denied, sharing, lock, noService = 2, 3, 5, 32, 33, 1060
)

// leastFree is the room that a volume must have beside a file's size, in bytes: Windows itself is in need when there is less.
const leastFree = 1 << 20

// obstacle is what stands in the way.
type obstacle struct {
	code       reconciler.FindingID
	text, hint string
}

// Facts are what stands in the way: a plan that was made before is not to be applied then.
func (s *PreflightSeen) Facts() []reconciler.Fact {
	var facts []reconciler.Fact
	add := func(about string, all []obstacle) {
		for _, o := range all {
			facts = append(facts, reconciler.Fact{Field: about, Value: o.text})
		}
	}
	add("control of service "+s.Preflight.Service, append(s.account(), s.service()...))
	add("start of service "+s.Preflight.Service, s.lacking())
	add("replacing "+shortName(s.Path), s.file())
	add("adding to "+s.Preflight.Store, s.store())
	add("changing the environment", s.environment())
	return facts
}

func (s *PreflightSeen) service() []obstacle {
	what := "stop and start"
	if s.Logon {
		what += " " + s.Preflight.Service + " and set its account"
	} else {
		what += " " + s.Preflight.Service
	}
	switch s.Service {
	case 0, noService: // which the service's own look says
		return nil
	case denied:
		return []obstacle{{"service-denied", "meshrotate's account may not " + what,
			"let it be an administrator of the host, or give it these rights to the service (`sc.exe sdset`)"}}
	}
	return []obstacle{{"service-denied", fmt.Sprintf("it cannot be found out whether meshrotate's account may %s (Windows error %d)", what, s.Service), "see what is wrong with the service on the host"}}
}

// account is why the account that the service is set to keeps it from starting again.
func (s *PreflightSeen) account() []obstacle {
	for _, is := range []struct {
		so   bool
		text string
	}{{s.Exists == No, "is not found there"}, {s.Locked == Yes, "is locked out or disabled"}, {s.Right == No, `may not log on as a service there`}} {
		if is.so {
			return []obstacle{{shutOut, "the account of service " + s.Preflight.Service + " " + is.text + ": stopped, it would not start again (Windows error 1069)",
				"mend that first: the account in the domain, or its right \"Log on as a service\" (secpol.msc, Local Policies, User Rights Assignment)"}}
		}
	}
	return nil
}

// store is what stands in the way of a certificate.
func (s *PreflightSeen) store() []obstacle {
	return withheldFrom("store-denied", "put a certificate into "+s.Preflight.Store, s.Store)
}

// environment is what stands in the way of a variable of the machine's environment.
func (s *PreflightSeen) environment() []obstacle {
	return withheldFrom("environment-denied", "change the machine's environment", s.Environment)
}

// withheldFrom is what an error says about something that an administrator may do.
func withheldFrom(code reconciler.FindingID, what string, number uint32) []obstacle {
	switch number {
	case 0:
		return nil
	case denied:
		return []obstacle{{code, "meshrotate's account may not " + what, "let it be an administrator of the host, or give it that right"}}
	}
	return []obstacle{{code, fmt.Sprintf("it cannot be found out whether meshrotate's account may %s (Windows error %d)", what, number), "see what is wrong with it on the host"}}
}

func (s *PreflightSeen) file() []obstacle {
	if s.Path == "" {
		return nil
	}
	var all []obstacle
	add := func(code reconciler.FindingID, text, hint string) { all = append(all, obstacle{code, text, hint}) }
	if s.ReadOnly {
		add("file-read-only", s.Path+" is read-only", "find out who set the attribute and why, and take it off (`attrib -r`)")
	}
	all = append(all, withheld(s.File, "replace", s.Path)...)
	folder := s.Path[:max(0, strings.LastIndexAny(s.Path, `\/`))]
	switch s.Folder {
	case 0:
	case noFile, noPath:
		add("folder-missing", "there is no folder "+folder, "install the product there, or correct the path in the document")
	case denied:
		add("folder-denied", "meshrotate's account may not make files in "+folder, "let it be an administrator of the host, or give it the right to make and remove files there")
	default:
		add("folder-denied", fmt.Sprintf("no file can be made in %s (Windows error %d)", folder, s.Folder), "see what is wrong with the folder on the host")
	}
	if s.Free >= 0 && s.Free < s.Size+leastFree {
		add("disk-full", "there is no room on the volume of "+s.Path, "make room: 1 MB at least, and the file must fit twice")
	}
	return all
}

// withheld is what an error says about a file that is to be read, or replaced.
func withheld(number uint32, act, path string) []obstacle {
	switch number {
	case 0:
		return nil
	case sharing, lock:
		return []obstacle{{"file-held", "another process holds the file open: " + path + ", and lets nobody " + act + " it",
			"find the process (Resource Monitor shows it) and end it: an editor, a scanner, a backup; where it is the service itself, stop that by hand"}}
	case denied:
		return []obstacle{{"file-denied", "meshrotate's account may not " + act + " " + path, "let it be an administrator of the host, or give it the right to modify the file"}}
	}
	return []obstacle{{"file-denied", fmt.Sprintf("nobody can %s %s (Windows error %d)", act, path, number), "see what is wrong with the file on the host"}}
}

// Part is what a rotation needs of a host. What stands in the way of a need refuses it, and else is a warning: it will at the next
// rotation.
type Part struct {
	Preflight Preflight
	Service   *ServiceSeen
	Machine   *MachineSeen
	// Error is the Windows error that reading the file met.
	Error uint32
	// Unread is the file, where the process is not known to have read it as it is, and starts again for that.
	Unread *Base
	// Restart: the service stops and starts, or its account is set. Replace: the file is replaced.
	Restart, Replace bool
	// Import: a certificate is put into the store. Variable: a variable of the machine's environment is set.
	Import, Variable bool
	// Stays: the service is not stopped, for all that.
	Stays bool
	// Shut are the accounts that could not log on: a service that runs as one of them would not come back.
	Shut Shut
	// Fleet: it is one of many, of which one that is down keeps no other waiting.
	Fleet bool
	// Sets is how the rotation itself sets the account's logon, "" where it does not.
	Sets string
}

// Findings are all that stands in the way on a host. A host that was not looked at has none here: see HostFailed.
func (p Part) Findings(in reconciler.Input) []reconciler.Finding {
	var all []reconciler.Finding
	host, service := p.Preflight.Host, p.Preflight.Service
	if f, off := ClockFinding(host, p.Machine); off {
		all = append(all, f)
	}
	if p.Unread != nil {
		if f, ahead := AheadFinding(in, host, p.Machine, *p.Unread); ahead {
			all = append(all, f)
		}
	}
	switch {
	case p.Service == nil:
	case !p.Service.Installed:
		all = append(all, Problem("service-missing", host+": there is no service "+service, "install it, name the one that is meant under product, or take it out of the document", host))
	case p.Service.StartMode == "disabled":
		all = append(all, Problem("service-disabled", fmt.Sprintf("%s: the service %s is disabled", host, service), "enable it, or take it out of the document", host))
	}
	add := func(some []obstacle, needed bool) {
		for _, o := range some {
			f := Warning(o.code, host+": "+o.text, o.hint, host)
			if needed {
				f.Severity = reconciler.Error
				f.Hint += "; then plan again"
			}
			all = append(all, f)
		}
	}
	add(withheld(p.Error, "read", p.Preflight.Path), true)
	if seen := Answer[PreflightSeen](in.Seen, p.Preflight); seen != nil {
		down := p.Restart && !p.Stays && p.Service.Running() // what is stopped has nothing to lose
		add(seen.lacking(), down)
		changed, mild := p.changed(in, seen)
		add(changed, down)
		all = append(all, mild...)
		if down {
			add(seen.newer(), false)
			n := len(all)
			add(p.password(in, seen))
			for i := range all[n:] {
				all[n+i].Unwell = true // as below
			}
			if p.Sets == "" && setsLogon(in, host, service) == "" {
				n := len(all)
				add(p.Shut.of(in, p.Service, host), true)
				for i := range all[n:] {
					all[n+i].Unwell = true // a start of the service that is stopped shows whether the account can log on now
				}
			}
		}
		if f, is := p.shutOutBefore(in, seen); is {
			all = append(all, f)
		}
		trials := *seen
		if p.Error != 0 {
			trials.File = 0 // the same, and said
		}
		add(p.barred(in, seen), p.Restart)
		add(trials.service(), p.Restart)
		add(trials.file(), p.Replace)
		add(trials.store(), p.Import)
		add(trials.environment(), p.Variable)
	}
	return all
}

// barred is why the service's account keeps it from starting again. Where the plan gives it another one before it stops, that one is
// looked at where it is set.
func (p Part) barred(in reconciler.Input, seen *PreflightSeen) []obstacle {
	host, service := p.Preflight.Host, p.Preflight.Service
	if setsLogon(in, host, service) != "" {
		return nil
	}
	all := seen.account()
	for i := range all {
		all[i].hint = alone(in, host, service, all[i].hint)
	}
	return all
}
