package site_test

import (
	"testing"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

func TestReadingOf(t *testing.T) {
	at := func(minute int) time.Time {
		return time.Date(2026, 11, 23, 2, minute, 0, 0, time.UTC)
	}
	never := time.Time{}
	ref := secret.Ref{Name: "k", Version: "7"}
	step := func(name string, o state.Outcome, minute int) state.Entry {
		return state.Entry{Secret: "k", Version: "7", Step: name, Hosts: []string{"a"}, Outcome: o, Time: at(minute)}
	}
	// A run wrote the file at 10, restarted the service, and proved its process at 12.
	proven := []state.Entry{{Secret: "k", Version: "7", Outcome: state.Started}, step(`switch/swap C:\f`, state.Started, 10), step(`switch/swap C:\f`, state.Done, 10),
		step(`verify/prove process S C:\f`, state.Done, 12), {Secret: "k", Version: "7", Outcome: state.Proven, Time: at(13)}}
	of := func(name string, all []state.Entry) (some []state.Entry) {
		for _, e := range all {
			e.Secret = name
			some = append(some, e)
		}
		return some
	}
	as := func(version string, all []state.Entry) (some []state.Entry) {
		for _, e := range all {
			e.Version = version
			some = append(some, e)
		}
		return some
	}
	for _, c := range []struct {
		reason                     string
		started, modified, changed time.Time
		history                    []state.Entry
		skew                       time.Duration
		want                       site.Reading
	}{
		{"it is younger than every change", at(20), at(10), at(10), nil, 0, site.Read},
		{"it is older than the last write", at(9), at(10), at(10), as("6", proven), 0, site.Unread},
		{"its time lies in the future, another process since, and the content is ours", at(20), at(64), at(64), proven, 0, site.Likely},
		{"also by its host's clock alone", at(18), at(58), at(58), proven, -4 * time.Minute, site.Likely},
		{"its time lies in the future, and nobody has proven it", at(20), at(64), at(64), nil, 0, site.Unread},
		{"a copy kept its time", at(20), at(5), at(30), nil, 0, site.Unread},
		{"also where a run of ours wrote an earlier one", at(20), at(5), at(30), proven, 0, site.Unread},
		{"this very process was proven, whatever was done to the file since", at(11), at(10), at(30), proven, 0, site.Read},
		{"nor by whom it was written anew, as a policy does every night", at(11), at(40), at(40), proven, 0, site.Read},
		{"another process since, and it was written anew", at(20), at(40), at(40), proven, 0, site.Unread},
		{"by the clock of its host, which is ahead", at(16), at(15), at(35), proven, 5 * time.Minute, site.Read},
		{"another process since, and the content is ours", at(20), at(10), at(30), proven, 0, site.Likely},
		{"another process since, and the content was there before our first run", at(20), at(5), at(30), proven[3:], 0, site.Likely},
		{"and was written since it was proven", at(20), at(15), at(30), proven[3:], 0, site.Unread},
		{"the file system does not tell, and nobody has proven it", at(20), at(10), never, nil, 0, site.Unread},
		{"the file system does not tell, and the content is ours", at(20), at(10), never, proven, 0, site.Likely},
		{"another secret's rotation has proven this very process", at(11), at(10), at(30), of("j", proven), 0, site.Read},
		{"another process since, and the content is what another secret's rotation wrote", at(20), at(10), at(30), of("j", proven), 0, site.Likely},
		{"somebody wrote after another secret's rotation", at(21), at(20), at(30), of("j", proven), 0, site.Unread},
		{"another version of the same secret says nothing", at(11), at(10), at(30), as("6", proven), 0, site.Unread},
		{"the host does not say when it started", never, at(10), at(10), proven, 0, site.Unread},
	} {
		s := &site.ServiceSeen{Name: "S", Installed: true, State: "running", StartedAt: c.started}
		got := site.ReadingOf(reconciler.Input{History: state.NewHistory(c.history), Now: at(60)}, ref, "a", s, &site.MachineSeen{Skew: c.skew}, site.Base{Path: `C:\f`, Modified: c.modified, Changed: c.changed}, true)
		if got != c.want {
			t.Errorf("%s: %d, want %d", c.reason, got, c.want)
		}
	}
	for reason, started := range map[string]time.Time{"another value was copied there since this process was proven": at(11), "and another process was started since": at(20)} {
		s := &site.ServiceSeen{Name: "S", Installed: true, State: "running", StartedAt: started}
		if got := site.ReadingOf(reconciler.Input{History: state.NewHistory(proven), Now: at(60)}, ref, "a", s, nil, site.Base{Path: `C:\f`, Modified: at(10), Changed: at(30)}, false); got != site.Unread {
			t.Errorf("%s: %d", reason, got)
		}
	}
	if got := site.ReadingOf(reconciler.Input{History: state.NewHistory(proven), Now: at(60)}, ref, "a", &site.ServiceSeen{Name: "S", Installed: true, State: "stopped"}, nil, site.Base{}, true); got != site.Unread {
		t.Errorf("a service that does not run has read it: %d", got)
	}
}
