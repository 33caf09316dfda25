package site

import (
	"fmt"
	"time"

	"meshrotate/reconciler"
)

// Asks is what a later phase asks of an endpoint.
type Asks string

// The questions.
const (
	AsksReady  Asks = "whether Admin is ready"
	AsksObject Asks = "for an object"
	AsksRuns   Asks = "for sync runs"
	AsksPost   Asks = "to do something" // a POST, which no trial sends
)

// Trial asks an endpoint of the Admin API now what a later phase asks of it, and takes any answer. Answer: *TrialSeen.
type Trial struct {
	Path string
	Asks Asks
	// List is where the runs are in the answer, for AsksRuns; "" where the document does not say. ListKey is how it would.
	List, ListKey string
	// Beside is an endpoint that is there, for AsksPost: what both answer alike says nothing about Path.
	Beside string
}

func (r Trial) Target() reconciler.Target { return API }
func (r Trial) Key() string               { return "trial " + r.Path }

// TrialSeen answers Trial.
type TrialSeen struct {
	Trial
	// Status is of HTTP. Problem is why the answer would not do, "" when it would; Hint is what to do about it.
	Status        int
	Problem, Hint string
	// Runs are the latest of each whom runs are told of, by name in small letters.
	Runs map[string]Run
	// Untried says that nothing was learnt: only the call itself would tell.
	Untried bool
}

// Run is the latest run of somebody who uses a stored secret. The zero Run shows nothing.
type Run struct {
	Began time.Time // by Admin's clock, zero when it does not say
	// Failed says that it has ended, and not well. Shut says that it failed as the stored secret does not open, in Admin's own words.
	Failed, Shut bool
}

// Facts are none: no step depends on it but by a finding.
func (s *TrialSeen) Facts() []reconciler.Fact { return nil }

// Awaiting is what waits for Admin after its start.
type Awaiting struct {
	Trial   Trial
	Admin   *ServiceSeen  // nil where nobody looked at it
	Timeout time.Duration // how long it is waited for
	// Used says that the wait is about to be. Cure says that the change may be just what helps a service that is not well. Pending
	// says that an earlier run began it: it is finished whatever Admin says.
	Used, Cure, Pending bool
}

// Finding says that the wait would be in vain, or that nobody knows yet, if what Admin answers shows that. An Admin that does not
// run shows nothing.
func (a Awaiting) Finding(in reconciler.Input) (f reconciler.Finding, is bool) {
	seen := Answer[TrialSeen](in.Seen, a.Trial)
	unwell := seen != nil && seen.Status >= 500
	if seen == nil || seen.Problem == "" || unwell && a.Admin != nil && !a.Admin.Running() {
		return f, false
	}
	says := fmt.Sprintf("GET %s answers %s", a.Trial.Path, seen.Problem)
	runs := time.Duration(0)
	if a.Admin != nil {
		runs = in.Now.Sub(a.Admin.StartedAt).Round(time.Second)
	}
	switch {
	case !unwell:
		f = Warning("admin-endpoint", says+": whoever restarts Admin would wait for it in vain", seen.Hint)
	case a.Admin == nil:
		f = Warning("admin-starting", "Admin is not ready: "+says+"; whether it gets ready is not known", "plan again when it is; look at its log on its host, and at its database")
	case runs < a.Timeout:
		f = Warning("admin-starting", fmt.Sprintf("Admin runs for %s and is not ready yet: %s; whether it gets ready is not known", runs, says),
			fmt.Sprintf("plan again after %s; meanwhile look at Admin's log on its host, and at its database", a.Admin.StartedAt.Add(a.Timeout).UTC().Format("15:04:05 UTC")))
	default:
		f = Warning("admin-unwell", fmt.Sprintf("Admin runs for %s and is not well: %s", runs, says),
			"look at Admin's log on its host, and at its database")
	}
	f.Unwell, f.Cure = unwell, unwell && a.Used && a.Cure
	if a.Used && !(unwell && (a.Cure || a.Pending && f.Code == "admin-starting")) {
		f.Severity = reconciler.Error
	}
	return f, true
}
